import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import wsGuard, { limitServer, serverOptions, websocketOptions } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { WebSocket } from 'ws'

/*
 * How long a good user waits while 5,000 silent TCP connections of another address are there, and come again whenever they are
 * cut: `npm run siege:silent -w @fastify-airlock/test`. Prints the figures; the tests have the same with 200.
 */

const SILENT = 5_000
const LOGINS = 20
const WITHIN_MS = 1_000

if (process.send === undefined) await besiege()
else attack(Number(process.argv[2]))

/** Opens all connections from 127.0.0.1, sends nothing, and opens each again that is cut, after one to five seconds. */
function attack (port: number): void {
  let opened = 0
  const open = (): void => {
    const socket = net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.1' })
    socket.on('error', () => {}).on('connect', () => { if (++opened === SILENT) process.send?.('there') })
    socket.on('close', () => setTimeout(open, 1_000 + Math.random() * 4_000)).resume()
  }
  for (let i = 0; i < SILENT; i++) open()
}

async function besiege (): Promise<void> {
  const app = Fastify(serverOptions())
  limitServer(app)
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets)
  await app.register(wsHandshake)
  await app.register(wsHub, { maxConnectionsPerSubject: Infinity })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(() => {}))
  await app.listen({ port: 0, host: '127.0.0.1', backlog: 16_384 })
  const { port } = app.server.address() as AddressInfo

  const attacker = fork(new URL(import.meta.url).pathname, [String(port)], { execArgv: process.execArgv })
  await once(attacker, 'message')
  const times: number[] = []
  for (let i = 0; i < LOGINS; i++) {
    const begun = performance.now()
    const client = new WebSocket(`ws://127.0.0.1:${port}/ws?ticket=${(await app.wsTickets.issue('alice')).ticket}`, { localAddress: '127.0.0.2' })
    await once(client, 'open')
    client.send(JSON.stringify({ type: 'auth', token: app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }) }))
    await once(client, 'message')
    times.push(performance.now() - begun)
    client.terminate()
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  times.sort((a, b) => a - b)
  const open = await new Promise<number>((resolve, reject) => app.server.getConnections((error, count) => error === null ? resolve(count) : reject(error)))
  const figures = {
    silent: SILENT,
    open,
    dropped: app.wsGuard.dropped,
    logins: LOGINS,
    medianMs: Math.round(times[LOGINS / 2] as number),
    worstMs: Math.round(times.at(-1) as number)
  }
  console.log(JSON.stringify(figures))
  attacker.kill('SIGKILL')
  await app.close()
  if (figures.worstMs > WITHIN_MS) {
    console.error(`A good user has waited for more than ${WITHIN_MS} ms`)
    process.exitCode = 1
  }
}
