import type { Test } from 'tap'
import { connect, until } from '../helpers.js'
import type { build } from './app.js'
import { type Answer, send, upgrade } from './http.js'
import { PAGE } from './table.js'

type Server = Awaited<ReturnType<typeof build>>

export interface Visit {
  /** What the client saw at each step. */
  seen: Record<string, unknown>
  /** The answers over HTTP that come from the ticket's route, and those that refuse an upgrade. */
  answers: { tickets: Record<string, Answer>, upgrades: Record<string, Answer> }
}

/** Headers that are another's business, or never the same. */
const VARIABLE = new Set(['date', 'content-length', 'keep-alive', 'connection', 'vary', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'])

/** Signs in, and returns the headers that prove it and a token for the first frame. */
export async function signIn ({ port, hasSession }: Server): Promise<{ proof: Record<string, string>, token: string }> {
  const { body, cookies } = await send(port, { method: 'POST', path: '/login' })
  const token = body.token as string
  return { token, proof: hasSession ? { cookie: cookies.join('; ') } : { authorization: `Bearer ${token}` } }
}

/** The whole visit: it ends with the server closed. */
export async function visit (t: Test, server: Server): Promise<Visit> {
  const { app, port } = server
  const seen: Record<string, unknown> = {}
  const answers: Visit['answers'] = { tickets: {}, upgrades: {} }
  const { proof, token } = await signIn(server)

  const ask = async (step: string, headers: Record<string, string>): Promise<string> => {
    const answer = await send(port, { method: 'POST', path: '/ws/ticket', headers: { origin: PAGE, ...headers } })
    answers.tickets[step] = answer
    seen[step] = { status: answer.status, cache: answer.headers['cache-control'], members: answer.status === 201 ? Object.keys(answer.body).sort() : [] }
    return answer.body.ticket as string
  }
  const refuse = async (step: string, request: Parameters<typeof send>[1]): Promise<void> => {
    const answer = await send(port, request)
    answers.upgrades[step] = answer
    const headers = Object.entries(answer.headers).filter(([name]) => !VARIABLE.has(name) && !isOfNeighbour(name))
    seen[step] = { status: answer.status, code: answer.body.code, headers: Object.fromEntries(headers) }
  }
  const offer = (ticket: string): Record<string, string> => ({ origin: PAGE, 'sec-websocket-protocol': `airlock.v1, ticket.${ticket}` })

  await ask('not signed in', {})
  const ticket = await ask('ticket', proof)

  const client = await connect(t, `ws://127.0.0.1:${port}/ws`, ['airlock.v1', `ticket.${ticket}`], { origin: PAGE })
  client.send({ type: 'auth', token })
  client.send({ type: 'early' })
  const frames = [await client.next(), await client.next(), await client.next()]
  app.wsHub.broadcast({ type: 'news' })
  frames.push(await client.next())
  client.send({ type: 'refresh', token: server.sign({ sub: 'alice' }) })
  frames.push(await client.next())
  seen.frames = { protocol: client.socket.protocol, frames: frames.map(frame => 'expiresAt' in frame ? { ...frame, expiresAt: typeof frame.expiresAt } : frame) }
  client.socket.close(1000)
  seen.close = await client.closed

  const spare = await ask('another ticket', proof)
  await refuse('used ticket', { headers: upgrade(offer(ticket)) })
  await refuse('no ticket', { headers: upgrade({ origin: PAGE, 'sec-websocket-protocol': 'airlock.v1' }) })
  await refuse('wrong Origin', { headers: upgrade({ ...offer(spare), origin: 'https://elsewhere.test' }) })
  await refuse('plain GET', { headers: offer(spare) })
  await refuse('HEAD', { method: 'HEAD', headers: offer(spare) })
  await refuse('bad key', { headers: upgrade({ ...offer(spare), 'sec-websocket-key': 'x' }) })
  await refuse('two tickets', { path: `/ws?ticket=${spare}`, headers: upgrade(offer(spare)) })

  // Nothing of this has used the ticket up.
  const stranger = await connect(t, `ws://127.0.0.1:${port}/ws`, ['airlock.v1', `ticket.${spare}`], { origin: PAGE })
  stranger.send({ type: 'auth', token: server.sign({ sub: 'bob' }) })
  seen.stranger = [await stranger.next(), await stranger.closed]

  const last = await connect(t, `ws://127.0.0.1:${port}/ws?ticket=${await ask('last ticket', proof)}`, [], { origin: PAGE })
  last.send({ type: 'auth', token })
  seen.last = [(await last.next()).type, await last.next()]
  await until(() => app.wsHub.count() === 1 && app.wsGuard.pending === 0)
  const connections = async (): Promise<number> => await new Promise((resolve, reject) => app.server.getConnections((error, count) => error ? reject(error) : resolve(count)))
  // Only the last one is open: nothing has leaked.
  await until(async () => await connections() === 1)
  await app.close()
  seen.end = (await last.closed).replace(/\d+(?=\})/, 'soon')
  seen.complaints = server.log.filter(({ level }) => level >= 40).map(({ msg }) => msg)
  return { seen, answers }
}

/** Headers that no answer of ours has alone. */
function isOfNeighbour (name: string): boolean {
  return /^(access-control|x-|content-security|cross-origin|origin-agent|referrer|strict-transport|set-cookie)/.test(name)
}
