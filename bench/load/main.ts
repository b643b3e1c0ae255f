import { createSigner } from 'fast-jwt'
import { clientFrame, frameBytes } from '../lib/peer.js'
import { serve } from '../lib/serve.js'
import type { Keys } from '../lib/tokens.js'
import { arrived, echo, enter, expect, leave } from './crowd.js'
import { type Credential, dialects } from './dialects.js'
import { all, handshake, type Target, withTickets, WORKERS } from './flow.js'
import { type Kind, prepare, refusals } from './refusals.js'
import { procession, storm } from './storm.js'

let tokens: string[] = []
let credentials: Credential[] = []
let refused: Awaited<ReturnType<typeof prepare>>
let users = 0

// The load, in a process of its own. `prepare…` is what a client has done before, and is not measured.
serve({
  /** New users, each with a JWT of its own. */
  mint ({ count, keys: { algorithm, private: key } }: { count: number, keys: Keys }) {
    const sign = createSigner({ algorithm, key, expiresIn: 900_000 })
    tokens = Array.from({ length: count }, () =>
      sign({ sub: `user-${process.pid}-${users++}`, role: 'user', iss: 'https://id.example.com' }))
    return tokens.length
  },
  async prepareTickets (target: Target) {
    credentials = []
    if (dialects[target.dialect].tickets) await withTickets(target, tokens, async credential => { credentials.push(credential) })
    else credentials = tokens.map(token => ({ token, ticket: '' }))
  },
  /** Subjects, for tickets that are not asked for over HTTP. */
  subjects: () => tokens.map(token => (JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()) as { sub: string }).sub),
  useTickets (tickets: string[]) {
    credentials = tokens.map((token, index) => ({ token, ticket: tickets[index] ?? '' }))
  },
  handshakes: async (target: Target) => await all(credentials, credential => handshake(target, credential)),
  visits: async (target: Target) => await withTickets(target, tokens, credential => handshake(target, credential)),

  async prepareRefusals (target: Target) { refused = await prepare(target, tokens) },
  refusals: async ({ target, kind, count }: { target: Target, kind: Kind, count: number }) =>
    await refusals(target, refused, kind, count),

  enter: async ({ target, workers = WORKERS }: { target: Target, workers?: number }) => await enter(target, tokens, workers),
  expect: ({ port, payload, times }: { port: number, payload: number, times: number }) => expect(port, frameBytes(payload) * times),
  arrived,
  leave,
  echo: async ({ port, payload, messages }: { port: number, payload: number, messages: number }) =>
    await echo(port, clientFrame(1, Buffer.alloc(payload, 'x')), frameBytes(payload), messages),

  storm: async ({ target, addresses }: { target: Target, addresses: string[] }) => await storm(target, tokens, addresses),
  procession: async (target: Target) => await procession(target, tokens)
})
