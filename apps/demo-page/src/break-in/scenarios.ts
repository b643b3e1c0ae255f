import { MAX_CONTROL_BYTES, MAX_EARLY_FRAMES, SUBPROTOCOL, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import { openFromElsewhere } from './foreign.js'
import { changePayload, inventTicket, withoutSignature } from './forge.js'
import { openRaw, type RawSocket, withTicket } from './raw.js'
import type { Tools } from './tools.js'
import type { Answer, Expected } from './verdict.js'

/** Something that must not work. */
export interface Scenario {
  id: string
  title: string
  /** What is done, and why it fails. */
  story: string
  door: 'one' | 'two'
  expected: Expected
  /** Who has to be logged in; nobody unless given. */
  needs?: 'anybody' | 'no admin'
  run (tools: Tools): Promise<Answer>
}

const INVALID: Expected = { status: 401, code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL' }

/** All of them, in the order of the doors. */
export const scenarios: readonly Scenario[] = [
  {
    id: 'no-ticket',
    title: 'No ticket',
    story: 'Opens the socket with nothing to show.',
    door: 'one',
    expected: { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' },
    run: ({ lane }) => atDoorOne(openRaw({ protocols: [SUBPROTOCOL], lane }))
  },
  {
    id: 'invented-ticket',
    title: 'An invented ticket',
    story: '32 random bytes that look like a ticket. The server knows tickets by their hash, and this one by none.',
    door: 'one',
    expected: INVALID,
    run: ({ lane }) => atDoorOne(openRaw({ protocols: withTicket(inventTicket()), lane }))
  },
  {
    id: 'used-ticket',
    title: 'A used ticket',
    story: 'A ticket that was good, for the second time. Tickets are for one use, unless the server says otherwise.',
    door: 'one',
    needs: 'anybody',
    expected: INVALID,
    async run ({ lane, ticket }) {
      const protocols = withTicket((await ticket()).ticket)
      const first = openRaw({ protocols, lane })
      if (!await first.opened) throw new Error('The ticket was no good the first time')
      first.close()
      await first.ended
      return atDoorOne(openRaw({ protocols, lane }))
    }
  },
  {
    id: 'expired-ticket',
    title: 'An expired ticket',
    story: 'A ticket that was never used, after its life. This takes as long as tickets live.',
    door: 'one',
    needs: 'anybody',
    expected: INVALID,
    async run ({ lane, ticket, wait }) {
      const { ticket: text, expiresIn } = await ticket()
      // The seconds are rounded down.
      await wait((expiresIn + 1) * 1_000)
      return atDoorOne(openRaw({ protocols: withTicket(text), lane }))
    }
  },
  {
    id: 'two-credentials',
    title: 'Two credentials',
    story: 'A good ticket as a subprotocol and another one in the URL. Neither is judged, so neither is spent.',
    door: 'one',
    needs: 'anybody',
    expected: { status: 400, code: 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS' },
    run: async ({ lane, ticket }) =>
      atDoorOne(openRaw({ path: `/ws/demo?ticket=${inventTicket()}`, protocols: withTicket((await ticket()).ticket), lane }))
  },
  {
    id: 'wrong-subprotocol',
    title: 'A wrong subprotocol',
    story: 'A good ticket next to a subprotocol that the route does not speak. The ticket is not spent.',
    door: 'one',
    needs: 'anybody',
    expected: { status: 400, code: 'WSA_GUARD_ERR_SUBPROTOCOL' },
    run: async ({ lane, ticket }) =>
      atDoorOne(openRaw({ protocols: ['airlock.v0', TICKET_PROTOCOL_PREFIX + (await ticket()).ticket], lane }))
  },
  {
    id: 'wrong-origin',
    title: 'A page of another origin',
    story: 'A sandboxed frame, whose origin is "null", with a good ticket: what a foreign page could do with a stolen one.',
    door: 'one',
    needs: 'anybody',
    expected: { status: 403, code: 'WSA_GUARD_ERR_ORIGIN' },
    run: async ({ lane, ticket }) => openFromElsewhere('/ws/demo', withTicket((await ticket()).ticket), lane)
  },
  {
    id: 'silence',
    title: 'Silence',
    story: 'A good ticket, and then not a word. The first frame has a deadline.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4408 },
    run: async tools => (await enter(tools)).ended
  },
  {
    id: 'early-frame',
    title: 'A message before the JWT',
    story: 'An application message as the first frame. Nothing else is read before the JWT.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4400 },
    run: tools => atDoorTwo(tools, [{ type: 'echo', data: 'hello?' }])
  },
  {
    id: 'early-frames',
    title: 'Too many early frames',
    story: `${MAX_EARLY_FRAMES + 1} messages at once in front of a good JWT. The first one ends it, the others are never read.`,
    door: 'two',
    needs: 'anybody',
    expected: { close: 4400 },
    run: async tools => atDoorTwo(tools, [
      ...Array.from({ length: MAX_EARLY_FRAMES + 1 }, (_, n) => ({ type: 'echo', data: n })),
      { type: 'auth', token: await tools.token() }
    ])
  },
  {
    id: 'oversized-frame',
    title: 'An oversized first frame',
    story: `A first frame of more than ${MAX_CONTROL_BYTES.toLocaleString('en')} bytes is refused before it is parsed.`,
    door: 'two',
    needs: 'anybody',
    expected: { close: 4400 },
    run: async tools => atDoorTwo(tools, [{ type: 'auth', token: await tools.token(), padding: 'x'.repeat(MAX_CONTROL_BYTES) }])
  },
  {
    id: 'forged-jwt',
    title: 'A forged JWT',
    story: 'Your JWT with another role in it, under the signature that it had.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4401 },
    run: async tools => atDoorTwo(tools, [{ type: 'auth', token: changePayload(await tools.token(), { role: 'owner' }) }])
  },
  {
    id: 'alg-none',
    title: 'A JWT without a signature',
    story: 'Your claims under "alg": "none". The server decides on the algorithm, not the token.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4401 },
    run: async tools => atDoorTwo(tools, [{ type: 'auth', token: withoutSignature(await tools.token()) }])
  },
  {
    id: 'other-jwt',
    title: 'Someone else’s JWT',
    story: 'A JWT that is perfectly good, but not of the user whose ticket opened the first door.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4403 },
    run: async tools => atDoorTwo(tools, [{ type: 'auth', token: await tools.otherToken() }])
  },
  {
    id: 'auth-twice',
    title: 'Authenticated twice',
    story: 'A second JWT after the first was accepted. There is one attempt.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4429 },
    async run (tools) {
      const auth = { type: 'auth', token: await tools.token() }
      const socket = await enter(tools)
      socket.send(auth)
      if (!await socket.welcomed) throw new Error('The JWT was no good the first time')
      socket.send(auth)
      return socket.ended
    }
  },
  {
    id: 'not-admin',
    title: 'Not an admin',
    story: 'An ordinary user on /ws/admin. The ticket is good there too; the role in the JWT is not.',
    door: 'two',
    needs: 'no admin',
    expected: { close: 4403 },
    run: async tools => atDoorTwo(tools, [{ type: 'auth', token: await tools.token() }], '/ws/admin')
  }
]

/** The upgrade must not come about. */
async function atDoorOne (socket: RawSocket): Promise<Answer> {
  if (!await socket.opened) return socket.ended
  socket.close()
  return { kind: 'in', what: '101: the upgrade was accepted' }
}

/** The upgrade comes about; `auth_ok` must not. */
async function atDoorTwo (tools: Tools, messages: unknown[], path?: string): Promise<Answer> {
  const socket = await enter(tools, path)
  for (const message of messages) socket.send(message)
  if (!await socket.welcomed) return socket.ended
  socket.close()
  return { kind: 'in', what: 'auth_ok: it was let in' }
}

async function enter ({ lane, ticket }: Tools, path?: string): Promise<RawSocket> {
  const socket = openRaw({ protocols: withTicket((await ticket()).ticket), lane, ...(path !== undefined && { path }) })
  if (!await socket.opened) throw new Error('The first door stayed shut')
  return socket
}
