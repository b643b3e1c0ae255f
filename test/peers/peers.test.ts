import { requireServer } from '@fastify-airlock/test-servers'
import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'
import { startDemo } from '../demo.js'

/** Clients in other languages. A first interpreter on the PATH need not be the one that Debian's modules are for. */
const peers = [
  { file: 'client.py', programs: ['python3', '/usr/bin/python3'], check: ['-c', 'import websockets'], debian: 'python3-websockets' },
  { file: 'client.pl', programs: ['perl', '/usr/bin/perl'], check: ['-MMojolicious', '-e', '1'], debian: 'libmojolicious-perl' }
]

const demo = await startDemo(t, { SESSION_TTL_MS: '3000' })

for (const { file, programs, check, debian } of peers) {
  t.test(file, async t => {
    const program = programs.find(program => succeeds(program, check))
    const found = requireServer(t, program === undefined ? { skip: `nothing runs ${file}: install ${debian}` } : { program })
    if (found === null) return
    const path = join(import.meta.dirname, file)
    const run = async (url: string, password = 'wonderland', env: Record<string, string> = {}) => await new Promise<{ code: unknown, output: string, errors: string }>(resolve => {
      execFile(found.program, [path, url, 'alice', password], { timeout: 60_000, env: { ...process.env, ...env } }, (error, output, errors) => {
        resolve({ code: error === null ? 0 : error.code, output, errors })
      })
    })

    t.ok(readFileSync(path, 'utf8').trimEnd().split('\n').length <= 45, 'a whole client in 45 lines')

    t.test('speaks the protocol with the demo, from the login to a refresh and a clean close', async t => {
      const { user } = await demo.login('alice', 'wonderland')
      const { code, output, errors } = await run(demo.url)
      t.equal(code, 0, errors)
      t.match(output, new RegExp(`^${[
        `auth_ok ${user.id}`, 'echo hello', 'expiring ?', 'refresh_ok ?', 'echo still here', 'closed 1000', 'the same ticket again: .*HTTP 401'
      ].join('\n')}\n$`))
      t.not((await run(demo.url, 'guessed')).code, 0, 'a wrong password is an error')
    })

    t.test('goes through with a server that keeps to the protocol, and with no other', async t => {
      const { code, errors } = await run(await standIn(t, {}))
      t.equal(code, 0, errors)
      for (const lie of ['reuse', 'early', 'carrier', 'no refresh'] as const) {
        const { code, output } = await run(await standIn(t, { lie }))
        t.not(code, 0, `${lie}: ${output}`)
      }
    })

    t.test('asks for signs of life, takes them for nothing else, and gives a silent socket up', async t => {
      const asked: unknown[] = []
      // Only signs of life come for longer than the server's interval, which is named to who has asked alone.
      const { code, output, errors } = await run(await standIn(t, { alive: 1, asked }))
      t.equal(code, 0, errors)
      t.notMatch(output, 'alive')
      t.match(asked, [{ type: 'auth', alive: true }])
      const silent = await run(await standIn(t, { alive: 100, lie: 'silent' }), 'wonderland', { GRACE: '0.1' })
      t.not(silent.code, 0)
      t.match(silent.errors, /silent/)
      t.match(silent.output, /^auth_ok/, 'it was in')
      t.notMatch(silent.output, /echo/)
    })
  })
}

function succeeds (program: string, args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/**
 * What a peer has to refuse: a ticket that opens twice, a message before `auth_ok`, an echoed carrier, a refresh that
 * fails, silence for longer than was named.
 */
type Lie = 'reuse' | 'early' | 'carrier' | 'no refresh' | 'silent'

interface StandIn {
  lie?: Lie
  /** The interval to name, in milliseconds. Without it, the server is one that knows no signs of life. */
  alive?: number
  /** Gets each `auth`. */
  asked?: unknown[]
}

/** A server with the routes of the demo and none of its checks. */
async function standIn (t: Test, { lie, alive, asked }: StandIn): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end(JSON.stringify({ token: 'a.b.c', ticket: 'x'.repeat(43), protocol: 'airlock.v1' })))
  })
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: offered => [...offered].find(value => value.startsWith('ticket.') === (lie === 'carrier')) as string
  })
  let spent = false
  server.on('upgrade', (request, socket, head) => {
    if (spent && lie !== 'reuse') return socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    spent = true
    sockets.handleUpgrade(request, socket, head, socket => talk(socket, { lie, alive, asked } as StandIn))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function talk (socket: WebSocket, { lie, alive, asked }: StandIn): void {
  const send = (message: object) => socket.send(JSON.stringify(message))
  if (lie === 'early') send({ type: 'tick', n: 1 })
  socket.on('message', data => {
    const message = JSON.parse(String(data))
    if (message.type === 'auth') {
      asked?.push(message)
      send({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 2e12, ...(message.alive === true && { alive }) })
      if (alive !== undefined && lie !== 'silent') for (let n = 0; n < 20; n++) send({ type: 'alive' })
    }
    if (lie === 'silent') return
    if (message.type === 'echo') send(message)
    if (message.data === 'hello') send({ type: 'expiring', expiresAt: 2e12 })
    if (message.type === 'refresh') send(lie === 'no refresh' ? { type: 'auth_error', code: 4401, reason: '', retry: true } : { type: 'refresh_ok', expiresAt: 3e12 })
  })
}
