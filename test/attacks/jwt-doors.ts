import fastifyCookie from '@fastify/cookie'
import { jwt, type WsIdentity } from 'fastify-airlock'
import airlock from 'fastify-airlock'
import wsIntrospect from '@fastify-airlock/introspect'
import Fastify, { type FastifyInstance } from 'fastify'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { badTokens, goodClaims, goodToken, type Keys, signature } from './jwts.js'
import { exchange, head, inTurns } from './wire.js'

/** Ends that say nothing but that a token is not good. */
const ENDS = [400, 401, 4400, 4401]

/** One way to show a token to a server: resolves with a status, or with a close code; 101 and 201 let somebody in. */
type Door = (token: string) => Promise<number>

/** Servers with every door that a JWT opens, a log, and a trap that nobody may ask. */
export async function startDoors (t: Test, keys: Keys) {
  const log: string[] = []
  let asked = 0
  const trap = createServer((_request, response) => { asked++; response.end('{"keys":[]}') }).listen(0, '127.0.0.1')
  t.teardown(() => trap.close())
  await once(trap, 'listening')
  let handled = 0
  const servers = []
  for (const route of [{}, { jwt: {} }]) {
    const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { log.push(line) } } } }) as unknown as FastifyInstance
    t.teardown(() => app.close())
    await app.register(fastifyCookie)
    const secret = keys.public === undefined ? keys.signing : { private: keys.signing, public: keys.public }
    await app.register(airlock, {
      jwt: { secret, sign: { algorithm: keys.algorithm } },
      guard: { pendingPerAddress: 10_000 },
      handshake: { pendingPerAddress: 10_000 },
      hub: { maxConnectionsPerSubject: Infinity },
      ticket: { route }
    })
    await app.register(wsIntrospect, {
      query: 'token',
      lookup: async token => verify(keys, token) ? { subject: 'alice', claims: {}, expiresAt: null } : null
    })
    app.wsRoute('/jwt', { handshake: false, guard: { authenticate: jwt({ query: 'token', cookie: 'token' }) } }, socket => { handled++; socket.send('in') })
    app.wsRoute('/frame', { guard: false }, socket => { handled++; socket.send('in') })
    app.wsRoute('/external', { handshake: false, guard: { authenticate: app.wsIntrospect.authenticator() } }, socket => { handled++; socket.send('in') })
    app.get('/external/me', { preHandler: app.wsIntrospect.authenticate }, async (request): Promise<WsIdentity | null> => request.wsIdentity)
    await app.listen({ port: 0, host: '127.0.0.1' })
    servers.push({ app, port: (app.server.address() as AddressInfo).port })
  }
  const [{ app, port }, other] = servers as [typeof servers[0], typeof servers[0]]
  const host = `127.0.0.1:${port}`
  const origin = `Origin: http://${host}`
  const http = async (port: number, method: string, target: string, lines: string[]): Promise<number> =>
    (await exchange(port, [`${method} ${target} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Connection: close', 'Content-Length: 0', ...lines, '', ''].join('\r\n'))).status
  const upgrade = async (target: string, lines: string[]): Promise<number> => (await exchange(port, head({ host, target, lines }))).status
  const good = goodToken(keys, goodClaims('alice'))
  const doors: Record<string, Door> = {
    'the ticket route': async token => await http(port, 'POST', '/ws/ticket', [`Authorization: Bearer ${token}`]),
    'the ticket route with its own check': async token => await http(other.port, 'POST', '/ws/ticket', [`Authorization: Bearer ${token}`]),
    'an upgrade, by header': async token => await upgrade('/jwt', [`Authorization: Bearer ${token}`]),
    'an upgrade, by subprotocol': async token => await upgrade('/jwt', [`Sec-WebSocket-Protocol: airlock.v1, bearer.${token}`]),
    'an upgrade, by query': async token => await upgrade(`/jwt?token=${encodeURIComponent(token)}`, []),
    'an upgrade, by cookie': async token => await upgrade('/jwt', [`Cookie: token=${token}`, origin]),
    'an upgrade, introspected': async token => await upgrade('/external', [`Authorization: Bearer ${token}`]),
    'a request, introspected': async token => await http(port, 'GET', '/external/me', [`Authorization: Bearer ${token}`]),
    'the first frame': async token => await enter(port, token),
    'a refresh': async token => await enter(port, good, token)
  }
  return { app, doors, log, good, asked: () => asked, handled: () => handled, trap: `http://127.0.0.1:${(trap.address() as AddressInfo).port}` }
}

/** What an authority does that verifies its own tokens as RFC 7519 says. */
function verify ({ algorithm, signing }: Keys, token: string): boolean {
  const parts = token.split('.')
  if (parts.length !== 3 || algorithm !== 'HS256') return false
  try {
    const [header, claims] = parts.slice(0, 2).map(part => JSON.parse(Buffer.from(part, 'base64url').toString()))
    return header.alg === algorithm && header.crit === undefined && signature(algorithm, `${parts[0]}.${parts[1]}`, signing) === parts[2] && typeof claims.sub === 'string' && claims.sub !== '' &&
      ['exp', 'nbf', 'iat'].every(name => claims[name] === undefined || (typeof claims[name] === 'number' && Math.abs(claims[name]) < 1e12)) && claims.exp * 1_000 > Date.now() && !(claims.nbf * 1_000 > Date.now())
  } catch {
    return false
  }
}

/** Shows a token in the first frame, or another one in a refresh: 101 if it was taken, else the close code. */
async function enter (port: number, token: string, refresh?: string): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/frame`)
  socket.on('error', () => {})
  const end = new Promise<number>(resolve => {
    socket.on('close', resolve)
    socket.on('open', () => socket.send(JSON.stringify({ type: 'auth', token })))
    socket.on('message', (data: Buffer) => {
      const text = data.toString()
      const { type } = text.startsWith('{') ? JSON.parse(text) : { type: text }
      if (type === (refresh === undefined ? 'auth_ok' : 'refresh_ok')) resolve(101)
      else if (type === 'auth_ok') socket.send(JSON.stringify({ type: 'refresh', token: refresh }))
    })
  })
  const code = await end
  socket.terminate()
  return code
}

/**
 * Shows every bad token to every door.
 *
 * @param flips see {@link badTokens}
 * @param thin shows each token to a few doors in turn, instead of to all
 */
export async function siegeOfTokens (t: Test, keys: Keys, flips: number, thin: number): Promise<void> {
  const { doors, log, good, asked, handled, trap, app } = await startDoors(t, keys)
  const tokens = await badTokens(keys, 'alice', trap, flips)
  t.ok(tokens.length > 500, `${tokens.length} tokens, ${new Set(tokens.map(({ kind }) => kind)).size} kinds`)
  const entries = Object.entries(doors)
  for (const [name, door] of entries) {
    if (name.includes('introspected') && keys.algorithm !== 'HS256') continue
    t.ok([101, 200, 201].includes(await door(good)), `${name} opens for a good token`)
  }
  const before = handled()
  const shown: Record<string, number> = {}
  let lax = 0
  await inTurns([...tokens.entries()], async ([index, { kind, name, token, isSigned }]) => {
    for (const [at, [where, door]] of entries.entries()) {
      if ((index + at) % thin !== 0) continue
      const isFrame = where === 'the first frame' || where === 'a refresh'
      // No HTTP client can send these in a header.
      if (!isFrame && !/^[\x20-\x7e]*$/.test(token)) continue
      // These end a cookie, or a subprotocol, so that another text is shown.
      if ((where.includes('cookie') && token.includes(';')) || (where.includes('subprotocol') && token.includes(','))) continue
      // An authority may have tokens that need quotes or percent-encoding, so these are taken off.
      if (where.includes('introspected') && (name === 'quoted' || name === 'percent-encoded')) continue
      // A refresh without a token, or longer than one may be, is a message of the application's.
      if (where === 'a refresh' && (token === '' || token.length > 8_000)) continue
      const end = await door(token)
      shown[where] = (shown[where] ?? 0) + 1
      // The ticket route takes whom every other route of the application takes: the second door is stricter.
      const isLax = isSigned && where.startsWith('the ticket route') && end === 201
      if (isLax) lax++
      else if (!ENDS.includes(end)) t.fail(`${kind}, ${name}, ${where}: ${end}`, { token })
    }
  })
  t.equal(asked(), 0, 'nobody followed a URL of a token')
  // A refresh begins with a good token.
  t.equal(handled() - before, shown['a refresh'], 'no handler ran for a bad token')
  t.same(log.filter(line => JSON.parse(line).level >= 50), [], 'nothing failed')
  const words = log.flatMap(line => line.match(/[\w-]{40,}/g) ?? []).join(' ')
  const leaked = tokens.filter(({ token }) => /[\w-]{40}$/.test(token) && words.includes(token.slice(-40)))
  t.same(leaked.map(({ kind, name }) => `${kind} ${name}`), [], 'no token is in the log')
  t.equal(app.wsGuard.pending, 0)
  t.comment({ ...shown, 'tickets for a token of the issuer\'s that door two refuses': lax })
}
