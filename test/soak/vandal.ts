import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { post } from './http.js'
import { count } from './ledger.js'
import { pick, type Place } from './visitor.js'

/** How often each kind of vandal came, and how those ended who had a ticket. */
export const vandalism: Record<string, number> = {}
export const ends: Record<string, number> = {}

const head = (target: string, lines: string[] = []): string => [
  `GET ${target} HTTP/1.1`, 'Host: soak', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, ...lines, '', ''
].join('\r\n')

/** Writes bytes, and goes after a while, politely or not. */
async function tcp (place: Place, bytes: string | Buffer, time = 200): Promise<void> {
  const socket = net.connect({ port: pick(place.nodes).port, host: '127.0.0.1' })
  let text = ''
  socket.on('error', () => {}).on('data', chunk => { text = (text + chunk.toString('latin1')).slice(0, 2_000) })
  const closed = once(socket, 'close').catch(() => {})
  socket.write(bytes)
  await Promise.race([closed, sleep(time)])
  if (Math.random() < 0.5) socket.resetAndDestroy()
  else socket.destroy()
  await closed
  if (/^HTTP\/1\.1 101 /.test(text)) place.ledger.violation(`a vandal was let in: ${String(bytes).slice(0, 200)}`)
}

/** A socket with a good ticket whose owner then misbehaves. */
async function enter (place: Place, path: string, then: (socket: WebSocket, token: string) => Promise<void> | void): Promise<void> {
  const node = pick(place.nodes)
  const subject = `vandal ${Math.floor(Math.random() * 50)}`
  const login = await post(node.port, '/login', { subject, session: subject })
  const { status, body } = await post(node.port, '/ws/ticket', undefined, login.body?.token ?? 'x')
  if (status !== 201) return
  const socket = new WebSocket(`ws://127.0.0.1:${node.port}${path}?room=0`, ['airlock.v1', `ticket.${body.ticket}`], { handshakeTimeout: 60_000 })
  let isIn = path === '/one'
  socket.on('error', () => {}).on('unexpected-response', () => socket.terminate())
  socket.on('message', (data: Buffer) => {
    const { type } = JSON.parse(data.toString()) as { type: string }
    if (type === 'auth_ok') isIn = true
    else if (!isIn && type !== 'auth_error') place.ledger.violation(`a message of type ${type} came to one who is not authenticated`)
  })
  const closed = new Promise<void>(resolve => socket.once('close', code => { count(ends, String(code)); resolve() }))
  await new Promise(resolve => socket.once('open', resolve).once('close', resolve))
  if (socket.readyState === WebSocket.OPEN) await then(socket, login.body.token)
  await Promise.race([closed, sleep(2_000)])
  socket.terminate()
  await closed
}

const raw = (socket: WebSocket): net.Socket => (socket as unknown as { _socket: net.Socket })._socket

const KINDS: Record<string, (place: Place) => Promise<void>> = {
  'random bytes': async place => await tcp(place, randomBytes(1 + Math.floor(Math.random() * 2_000))),
  'half a head': async place => await tcp(place, head('/both').slice(0, Math.floor(Math.random() * 150)), 1_000),
  'no ticket': async place => await tcp(place, head('/both')),
  'a made-up ticket': async place => await tcp(place, head(`/both?ticket=${randomBytes(32).toString('base64url')}`)),
  'a foreign page': async place => await tcp(place, head(`/one?ticket=${randomBytes(32).toString('base64url')}`, ['Origin: https://evil.example'])),
  'a long head': async place => await tcp(place, head('/both', [`X: ${'x'.repeat(20_000)}`])),
  'a made-up JWT': async place => {
    const { status } = await post(pick(place.nodes).port, '/ws/ticket', undefined, `${randomBytes(20).toString('base64url')}.${randomBytes(20).toString('base64url')}.${randomBytes(32).toString('base64url')}`)
    if (status === 201) place.ledger.violation('a made-up JWT got a ticket')
  },
  'a body without end': async place => await tcp(place, 'POST /login HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{', 1_000),
  'a wrong first frame': async place => await enter(place, '/both', socket => socket.send(pick(['', '{}', 'x'.repeat(9_000), '{"type":"auth","token":"x"}', '{"type":"say","n":0}']))),
  silence: async place => await enter(place, '/both', () => {}),
  'a first frame without end': async place => await enter(place, '/both', socket => socket.send('{"type":"auth",', { fin: false })),
  'malformed frames': async place => await enter(place, pick(['/both', '/one']), socket => { raw(socket).write(randomBytes(200)) }),
  'a flood of messages': async place => await enter(place, '/one', socket => { for (let n = 0; n < 400; n++) socket.send(JSON.stringify({ type: 'flood', n })) }),
  'a flood of pings': async place => await enter(place, '/one', socket => { for (let n = 0; n < 400; n++) socket.ping('x') }),
  'one that does not read': async place => await enter(place, '/one', async socket => { raw(socket).pause(); await sleep(1_500) }),
  'a huge message': async place => await enter(place, '/one', socket => socket.send(Buffer.alloc(200_000))),
  'a reset': async place => await enter(place, pick(['/both', '/one']), (socket, token) => { socket.send(JSON.stringify({ type: 'auth', token })); raw(socket).resetAndDestroy() }),
  'a second auth': async place => await enter(place, '/both', (socket, token) => { for (let n = 0; n < 2; n++) socket.send(JSON.stringify({ type: 'auth', token })) })
}

/** Misbehaves until told to go home. */
export async function vandalize (place: Place): Promise<void> {
  while (!place.signal.aborted) {
    const kind = pick(Object.keys(KINDS))
    await (KINDS[kind] as typeof KINDS[string])(place)
    count(vandalism, kind)
    await sleep(100 + Math.random() * 300)
  }
}
