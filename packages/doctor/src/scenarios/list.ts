import { MAX_CONTROL_BYTES, MAX_EARLY_FRAMES } from '@fastify-airlock/protocol'
import { changePayload, inventTicket, withoutSignature } from './forge.js'
import type { RawSocket, Tools } from './tools.js'
import type { Answer, Expected } from './verdict.js'

/** An attack that must not work. */
export interface Scenario {
  id: string
  title: string
  /** What it does, and why it fails. */
  story: string
  door: 'one' | 'two'
  expected: Expected
  /** Who has to be logged in; nobody by default. */
  needs?: 'anybody' | 'no admin'
  run (tools: Tools): Promise<Answer>
}

const INVALID: Expected = { status: 401, code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL' }

const list = [
  {
    id: 'no-ticket',
    title: 'No ticket',
    story: 'Opens the socket without a ticket.',
    door: 'one',
    expected: { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' },
    run: ({ open }) => atDoorOne(open({}))
  },
  {
    id: 'invented-ticket',
    title: 'An invented ticket',
    story: '32 random bytes that look like a ticket. The server keeps a hash of each ticket, and has none for this one.',
    door: 'one',
    expected: INVALID,
    run: ({ open }) => atDoorOne(open({ ticket: inventTicket() }))
  },
  {
    id: 'used-ticket',
    title: 'A used ticket',
    story: 'A valid ticket, for the second time. A ticket is good for one use, unless the server says otherwise.',
    door: 'one',
    needs: 'anybody',
    expected: INVALID,
    async run ({ open, ticket }) {
      const { ticket: text } = await ticket()
      const first = open({ ticket: text })
      if (!await first.opened) throw new Error('The ticket did not work the first time')
      first.close()
      await first.ended
      return await atDoorOne(open({ ticket: text }))
    }
  },
  {
    id: 'expired-ticket',
    title: 'An expired ticket',
    story: 'An unused ticket, after it has expired. This takes as long as a ticket lives.',
    door: 'one',
    needs: 'anybody',
    expected: INVALID,
    async run ({ open, ticket, wait }) {
      const { ticket: text, expiresIn } = await ticket()
      // `expiresIn` is rounded down.
      await wait((expiresIn + 1) * 1_000)
      return await atDoorOne(open({ ticket: text }))
    }
  },
  {
    id: 'two-credentials',
    title: 'Two credentials',
    story: 'A valid ticket as a subprotocol and another one in the URL. The server checks neither, so the valid one is not spent.',
    door: 'one',
    needs: 'anybody',
    expected: { status: 400, code: 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS' },
    run: async ({ open, ticket }) => await atDoorOne(open({ ticket: (await ticket()).ticket, another: inventTicket() }))
  },
  {
    id: 'wrong-subprotocol',
    title: 'A wrong subprotocol',
    story: 'A valid ticket next to a subprotocol that the route does not speak. The ticket is not spent.',
    door: 'one',
    needs: 'anybody',
    expected: { status: 400, code: 'WSA_GUARD_ERR_SUBPROTOCOL' },
    run: async ({ open, ticket }) => await atDoorOne(open({ ticket: (await ticket()).ticket, subprotocol: 'airlock.v0' }))
  },
  {
    id: 'wrong-origin',
    title: 'A page of another origin',
    story: 'A sandboxed frame with the origin "null" uses a valid ticket, as a foreign page could use a stolen one.',
    door: 'one',
    needs: 'anybody',
    expected: { status: 403, code: 'WSA_GUARD_ERR_ORIGIN' },
    run: async ({ openElsewhere, ticket }) => await openElsewhere((await ticket()).ticket)
  },
  {
    id: 'silence',
    title: 'Silence',
    story: 'A valid ticket, and then no message. The first frame has a deadline.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4408 },
    run: async tools => await (await enter(tools)).ended
  },
  {
    id: 'early-frame',
    title: 'A message before the JWT',
    story: 'An application message as the first frame. The server accepts only a JWT there.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4400 },
    run: tools => atDoorTwo(tools, [{ type: 'echo', data: 'hello?' }])
  },
  {
    id: 'early-frames',
    title: 'Too many early frames',
    story: `${MAX_EARLY_FRAMES + 1} messages before a valid JWT. The first one ends the connection, and the server never reads the rest.`,
    door: 'two',
    needs: 'anybody',
    expected: { close: 4400 },
    run: async tools => atDoorTwo(tools, [
      ...Array.from({ length: MAX_EARLY_FRAMES + 1 }, (_, n) => ({ type: 'echo', data: n })),
      tools.auth(await tools.token())
    ])
  },
  {
    id: 'oversized-frame',
    title: 'An oversized first frame',
    story: `A first frame of more than ${MAX_CONTROL_BYTES.toLocaleString('en')} bytes. The server refuses it without parsing it.`,
    door: 'two',
    needs: 'anybody',
    expected: { close: 4400 },
    run: async tools => atDoorTwo(tools, [{ ...tools.auth(await tools.token()), padding: 'x'.repeat(MAX_CONTROL_BYTES) }])
  },
  {
    id: 'forged-jwt',
    title: 'A forged JWT',
    story: 'Your JWT with another role, but with the old signature.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4401 },
    run: async tools => atDoorTwo(tools, [tools.auth(changePayload(await tools.token(), { role: 'owner' }))])
  },
  {
    id: 'alg-none',
    title: 'A JWT without a signature',
    story: 'Your claims with "alg": "none". The server chooses the algorithm, not the token.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4401 },
    run: async tools => atDoorTwo(tools, [tools.auth(withoutSignature(await tools.token()))])
  },
  {
    id: 'other-jwt',
    title: 'Someone else’s JWT',
    story: 'A valid JWT, but of another user than the one whose ticket opened the first door.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4403 },
    run: async tools => atDoorTwo(tools, [tools.auth(await tools.otherToken())])
  },
  {
    id: 'auth-twice',
    title: 'Two JWTs',
    story: 'A second JWT after the server has accepted the first. Only one is allowed.',
    door: 'two',
    needs: 'anybody',
    expected: { close: 4429 },
    async run (tools) {
      const auth = tools.auth(await tools.token())
      const socket = await enter(tools)
      socket.send(auth)
      if (!await socket.welcomed) throw new Error('The JWT did not work the first time')
      socket.send(auth)
      return await socket.ended
    }
  },
  {
    id: 'not-admin',
    title: 'Not an admin',
    story: 'An ordinary user on /ws/admin. The ticket is valid there, but the JWT does not have the role admin.',
    door: 'two',
    needs: 'no admin',
    expected: { close: 4403 },
    run: async tools => atDoorTwo(tools, [tools.auth(await tools.token())], 'admin')
  }
] as const satisfies readonly Scenario[]

/** The name of a scenario. */
export type ScenarioId = typeof list[number]['id']

/** All scenarios, in the order of the doors. The page of the demo has a button for each, and the doctor a rule. */
export const scenarios: ReadonlyArray<Scenario & { id: ScenarioId }> = list

/** The upgrade must fail. */
async function atDoorOne (socket: RawSocket): Promise<Answer> {
  if (!await socket.opened) return await socket.ended
  socket.close()
  return { kind: 'in', what: '101: the upgrade was accepted' }
}

/** The upgrade succeeds, but `auth_ok` must not come. */
async function atDoorTwo (tools: Tools, messages: unknown[], route?: 'admin'): Promise<Answer> {
  const socket = await enter(tools, route)
  for (const message of messages) socket.send(message)
  if (!await socket.welcomed) return await socket.ended
  socket.close()
  return { kind: 'in', what: 'auth_ok: the server let it in' }
}

async function enter ({ open, ticket }: Tools, route?: 'admin'): Promise<RawSocket> {
  const socket = open({ ticket: (await ticket()).ticket, ...(route !== undefined && { route }) })
  if (!await socket.opened) throw new Error('The first door did not open')
  return socket
}
