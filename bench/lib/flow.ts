import { start, type Child } from './child.js'
import { clientFrame, closeFrame, Peer } from './peer.js'

/** How many handshakes are under way at once. */
export const WORKERS = 16

/** What one handshake needs. */
export interface Credential { ticket: string, token: string }

/** A server of `servers/handshake.ts`. */
export interface Server { name: string, child: Child, port: number }

/** Those that talk as soon as the connection is open; `bare` never does, the others wait for the JWT. */
export const greeting = new Set(['hand-written', 'airlock, ticket only'])

/** Starts one of the servers. */
export async function startServer (name: string): Promise<Server> {
  const child = await start(new URL('../servers/handshake.ts', import.meta.url), name)
  return { name, child, port: await child.call<number>('port') }
}

const upgradeHeaders = ({ name }: Server, { ticket, token }: Credential): string[] => [
  'Origin: http://localhost',
  name === 'hand-written' ? `Authorization: Bearer ${token}` : `Sec-WebSocket-Protocol: airlock.v1, ticket.${ticket}`
]

/** Opens a connection and takes it through all doors of the server. */
export async function open (server: Server, credential: Credential): Promise<Peer> {
  const peer = new Peer(server.port)
  await peer.upgrade('/ws', upgradeHeaders(server, credential), greeting.has(server.name) ? 1 : 0)
  if (!peer.head.startsWith('HTTP/1.1 101')) throw new Error(`${server.name}: ${peer.head}`)
  if (server.name !== 'bare' && !greeting.has(server.name)) {
    const before = peer.received
    await peer.send(
      clientFrame(1, Buffer.from(JSON.stringify({ type: 'auth', token: credential.token }))),
      () => peer.received > before
    )
  }
  return peer
}

/** Opens a connection and closes it in good order. */
export async function handshake (server: Server, credential: Credential): Promise<void> {
  const peer = await open(server, credential)
  peer.socket.write(closeFrame)
  await peer.closed()
}

/** Is refused with credentials that look right and are not. */
export async function refused (server: Server): Promise<void> {
  const peer = new Peer(server.port)
  await peer.upgrade('/refuse', upgradeHeaders(server, { ticket: 'y'.repeat(43), token: `${'y'.repeat(36)}.${'y'.repeat(120)}.${'y'.repeat(43)}` }))
  if (!peer.head.startsWith('HTTP/1.1 401')) throw new Error(`${server.name}: ${peer.head}`)
  await peer.closed()
}

/** Runs a task for each item, `WORKERS` at a time; tells it which of the workers it runs on. */
export async function all<T> (items: readonly T[], task: (item: T, worker: number) => Promise<unknown>): Promise<void> {
  let next = 0
  await Promise.all(Array.from({ length: WORKERS }, async (_, worker) => {
    while (next < items.length) await task(items[next++] as T, worker)
  }))
}
