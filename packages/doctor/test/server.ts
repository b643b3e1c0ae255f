import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Carelessness, type Claims, SECRET, seconds, verify } from './tokens.js'

/**
 * Each flag leaves one door ajar. Without any, the server keeps the protocol: it is written from docs/PROTOCOL.md, and shares
 * no code with the plugins.
 */
export interface Ajar {
  noDoorOne?: boolean
  anyTicket?: boolean
  twoHosts?: boolean
  spendsOnGet?: boolean
  status?: number
  textRefusals?: boolean
  repeats?: boolean
  keepsRefused?: boolean
  jwtInUrl?: boolean
  origins?: (origin: string, own: string) => boolean
  missingOrigin?: boolean
  anySubprotocol?: boolean
  echo?: boolean
  reuse?: boolean
  slowTake?: boolean
  noExpiry?: boolean
  overlooksQuery?: boolean
  firstCookie?: boolean
  counts?: boolean
  getTickets?: boolean
  strangers?: boolean
  decodesAtRoute?: boolean
  stored?: boolean
  location?: boolean
  cors?: boolean
  anyBody?: boolean
  unlimited?: boolean
  noRetryAfter?: boolean
  noDeadline?: boolean
  greets?: boolean
  processesFirst?: boolean
  binary?: boolean
  anySize?: boolean
  bigPayload?: boolean
  attempts?: boolean
  processesEarly?: boolean
  losesEarly?: boolean
  noAlias?: boolean
  againIgnored?: boolean
  adminOpen?: boolean
  jwt?: Carelessness
  anySubject?: boolean
  noRefresh?: boolean
  refreshSubject?: boolean
  refreshJwt?: Carelessness
  refreshScope?: boolean
  refreshFlood?: boolean
  noEnd?: boolean
  closeCode?: number
  noAuthError?: boolean
  neverCuts?: boolean
  compression?: boolean
  hsts?: string | null
  oldTls?: boolean
  abrupt?: boolean
}

export interface ServerOptions {
  ajar?: Ajar
  /** `null` for RS256. */
  secret?: string | null
  /** In milliseconds. */
  authTimeout?: number
  tls?: { key: string, cert: string }
  /** Tickets of a subject in a minute. */
  limit?: number
}

interface Ticket { subject: string, expires: number }

const TTL_MS = 30_000
const TICKET = /^[\w-]{43}$/

/** Starts the server on a free port. */
export async function startServer (t: Test, { ajar = {}, secret = SECRET, authTimeout = 60_000, tls, limit = 1_000 }: ServerOptions = {}) {
  let ahead = 0
  let count = 0
  let requested = 0
  const now = (): number => Date.now() + ahead
  const tickets = new Map<string, Ticket>()
  const issued = new Set<string>()
  const sockets = new Set<Duplex>()
  const scheme = tls === undefined ? 'http' : 'https'
  const wss = new WebSocketServer({
    noServer: true,
    maxPayload: ajar.bigPayload === true ? 100 * 1_048_576 : 65_536,
    perMessageDeflate: ajar.compression === true,
    handleProtocols: offered => ajar.echo === true ? [...offered][0] as string : [...offered].find(name => ajar.anySubprotocol === true ? !name.startsWith('ticket.') : name === 'airlock.v1') ?? false
  })
  const server = tls === undefined
    ? createServer()
    : createTlsServer({ ...tls, ...(ajar.oldTls === true && { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' }) })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })

  const bearer = ({ headers }: IncomingMessage): string | undefined => headers.authorization?.replace(/^Bearer /, '')

  function answer (response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
    response.writeHead(status, {
      'content-type': 'application/json',
      ...(ajar.stored !== true && { 'cache-control': 'no-store' }),
      ...(tls !== undefined && ajar.hsts !== null && { 'strict-transport-security': ajar.hsts ?? 'max-age=31536000' }),
      ...headers
    }).end(JSON.stringify(body))
  }

  async function issue (request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'OPTIONS' && ajar.cors === true) return answer(response, 204, {}, { 'access-control-allow-origin': String(request.headers.origin) })
    if (request.method !== 'POST' && !(request.method === 'GET' && ajar.getTickets === true)) return answer(response, 404, { statusCode: 404 })
    let claims: Claims
    try {
      claims = verify(bearer(request), secret, ajar.decodesAtRoute === true ? { decode: true } : ajar.jwt ?? {})
    } catch {
      if (ajar.strangers !== true) return answer(response, 401, { statusCode: 401 })
      claims = { sub: 'stranger' }
    }
    const body = await text(request)
    if (ajar.anyBody !== true && body.length > 1_024) return answer(response, 413, { statusCode: 413 })
    if (ajar.anyBody !== true && body !== '' && !isRequest(body)) return answer(response, 400, { statusCode: 400 })
    if (++requested > limit && ajar.unlimited !== true) return answer(response, 429, { statusCode: 429 }, ajar.noRetryAfter === true ? {} : { 'retry-after': '0' })
    const ticket = ajar.counts === true ? String(++count).padStart(43, '0') : randomBytes(32).toString('base64url')
    issued.add(ticket)
    tickets.set(ticket, { subject: String(claims.sub), expires: now() + TTL_MS })
    answer(response, 201, { ticket, expiresIn: TTL_MS / 1_000, protocol: 'airlock.v1' }, {
      ...(ajar.location === true && { location: `/ws?ticket=${ticket}` }),
      ...(ajar.cors === true && { 'access-control-allow-origin': String(request.headers.origin), 'access-control-allow-credentials': 'true' })
    })
  }

  async function take (ticket: string): Promise<string | null> {
    const record = tickets.get(ticket)
    if (record === undefined) return ajar.anyTicket === true && TICKET.test(ticket) && !issued.has(ticket) ? 'stranger' : null
    if (ajar.slowTake === true) await new Promise(resolve => setTimeout(resolve, 50))
    if (ajar.reuse !== true) tickets.delete(ticket)
    return ajar.noExpiry === true || record.expires > now() ? record.subject : null
  }

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url as string, 'http://localhost')
    if (url.pathname === '/ws/ticket') {
      issue(request, response).catch(() => response.destroy())
      return
    }
    const inUrl = url.searchParams.get('ticket') ?? /ticket\.([\w-]+)/.exec(String(request.headers['sec-websocket-protocol']))?.[1]
    if (ajar.spendsOnGet === true && inUrl !== undefined) tickets.delete(inUrl)
    answer(response, 404, { statusCode: 404, message: ajar.repeats === true ? `no ${String(request.url)}` : 'not found' })
  })

  function refuse (socket: Duplex, request: IncomingMessage, status: number): void {
    const code = ajar.status ?? status
    const body = ajar.textRefusals === true ? 'no' : JSON.stringify({ statusCode: code, code: 'REFUSED', message: ajar.repeats === true ? `no ${String(request.url)}` : 'no' })
    const bytes = `HTTP/1.1 ${code} No\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${code === 401 ? 'WWW-Authenticate: Bearer\r\n' : ''}\r\n${body}`
    if (ajar.keepsRefused === true) socket.write(bytes)
    else socket.end(bytes)
  }

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {})
    admit(request, socket).then(admitted => {
      if (typeof admitted === 'number') return refuse(socket, request, admitted)
      wss.handleUpgrade(request, socket, head, peer => serve(peer, admitted.subject, new URL(request.url as string, 'http://x').pathname))
    }, () => socket.destroy())
  })

  async function admit (request: IncomingMessage, socket: Duplex): Promise<number | { subject: string | null }> {
    const { headers, url = '', method, httpVersion, rawHeaders } = request
    const own = `${scheme}://${String(headers.host)}`
    const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length
    const key = String(headers['sec-websocket-key'])
    if (method !== 'GET' || httpVersion !== '1.1' || !url.startsWith('/') || (hosts !== 1 && ajar.twoHosts !== true) || headers.upgrade !== 'websocket' || headers['content-length'] !== undefined ||
      headers['sec-websocket-version'] !== '13' || !/^[\w+/]{22}==$/.test(key)) return 400
    const { origin } = headers
    if (origin !== undefined && origin !== own && ajar.origins?.(origin, own) !== true) return 403
    const { searchParams: query, pathname } = new URL(url, own)
    const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim()).filter(name => name !== '')
    const byProtocol = offered.filter(name => name.startsWith('ticket.') || name.startsWith('bearer.'))
    const byQuery = query.getAll('ticket')
    const cookies = (headers.cookie ?? '').split('; ').filter(cookie => cookie.startsWith('ticket=')).map(cookie => cookie.slice(7))
    const byCookie = ajar.firstCookie === true ? cookies.slice(0, 1) : cookies
    const found = [...byProtocol, ...(ajar.overlooksQuery === true && byProtocol.length > 0 ? [] : byQuery), ...byCookie]
    if (found.length > 1) return 400
    const [first] = found
    if (first === undefined) {
      if (ajar.jwtInUrl === true && query.has('token')) return { subject: String(verify(query.get('token'), secret, {}).sub) }
      return ajar.noDoorOne === true ? { subject: null } : 401
    }
    if (origin === undefined && byCookie.length > 0 && ajar.missingOrigin !== true) return 403
    if (offered.length > 0 && !offered.includes('airlock.v1') && ajar.anySubprotocol !== true && ajar.echo !== true) return 400
    const subject = await take(first.replace(/^ticket\./, ''))
    if (subject === null || pathname === '/nowhere') return 401
    return { subject }
  }

  function serve (peer: WebSocket, subject: string | null, path: string): void {
    let state: 'new' | 'verifying' | 'open' | 'closed' = 'new'
    let current: Claims = {}
    let refreshes = 0
    const early: string[] = []
    const timers: NodeJS.Timeout[] = []
    const end = (code: number, reason: string, announce = true): void => {
      if (state === 'closed') return
      state = 'closed'
      if (announce && ajar.noAuthError !== true) peer.send(JSON.stringify({ type: 'auth_error', code: ajar.closeCode ?? code, reason, retry: false }))
      peer.close(ajar.closeCode ?? code, reason)
      if (ajar.neverCuts !== true) timers.push(setTimeout(() => peer.terminate(), 100))
    }
    const application = (message: string): void => { if (/"type":"echo"/.test(message)) peer.send(message) }
    const expire = (): void => {
      if (typeof current.exp !== 'number' || ajar.noEnd === true) return
      timers.push(setTimeout(() => { if ((current.exp as number) <= seconds()) end(4401, 'token expired') }, 1_000 * (current.exp - seconds()) + 5))
    }
    peer.on('error', () => {})
    peer.on('close', () => timers.forEach(clearTimeout))
    if (ajar.noDeadline !== true) timers.push(setTimeout(() => { if (state === 'new') end(4408, 'authentication timeout') }, authTimeout))
    if (ajar.greets === true) peer.send('welcome, stranger')

    const authenticate = async (token: unknown): Promise<void> => {
      state = 'verifying'
      await new Promise(resolve => setImmediate(resolve))
      try {
        current = verify(token, secret, ajar.jwt ?? {})
      } catch {
        if (ajar.attempts === true) {
          peer.send(JSON.stringify({ type: 'auth_error', code: 4401, reason: 'token invalid' }))
          state = 'new'
          const next = early.shift()
          if (next !== undefined) receive(next)
          return
        }
        return end(4401, 'token invalid')
      }
      if (subject !== null && current.sub !== subject && ajar.anySubject !== true) return end(4403, 'subject mismatch')
      if (path === '/admin' && current.role !== 'admin' && ajar.adminOpen !== true) return end(4403, 'not authorized')
      state = 'open'
      peer.send(JSON.stringify({ type: 'auth_ok', user: { id: current.sub }, expiresAt: 1 }))
      expire()
      for (const message of early.splice(0)) receive(message)
    }
    const renew = (token: unknown): void => {
      if (ajar.noRefresh === true) return end(4400, 'no refresh')
      if (++refreshes > 20 && ajar.refreshFlood !== true) return end(4429, 'too many refreshes')
      let claims: Claims
      try {
        claims = verify(token, secret, ajar.refreshJwt ?? {})
      } catch {
        return end(4401, 'token invalid')
      }
      if (claims.sub !== current.sub && ajar.refreshSubject !== true) return end(4403, 'subject mismatch')
      if (claims.scope !== current.scope && ajar.refreshScope !== true) return end(4403, 'scope wider')
      current = claims
      peer.send(JSON.stringify({ type: 'refresh_ok', expiresAt: 1 }))
      expire()
    }
    const receive = (message: string, binary = false): void => {
      if (state === 'closed') return
      if (state === 'verifying') {
        if (ajar.processesEarly === true) return application(message)
        if (ajar.losesEarly !== true) early.push(message)
        return
      }
      const control = binary && ajar.binary !== true ? null : controlOf(message)
      if (state === 'new') {
        if (message.length > 8_192 && ajar.anySize !== true) return end(4400, 'auth message expected')
        if (control === null || (control.type !== 'auth' && (control.type !== 'jwt' || ajar.noAlias === true))) {
          if (ajar.processesFirst === true) return application(message)
          return end(4400, 'auth message expected')
        }
        authenticate(control.token).catch(() => peer.terminate())
      } else if (control?.type === 'refresh') renew(control.token)
      else if (control !== null) {
        if (ajar.againIgnored !== true) end(4429, 'already authenticated')
      } else application(message)
    }
    peer.on('message', (data: Buffer, binary: boolean) => receive(data.toString(), binary))
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const stop = (): void => {
    for (const peer of wss.clients) {
      if (ajar.abrupt === true) peer.terminate()
      else peer.close(1012)
    }
  }
  t.teardown(async () => {
    for (const peer of wss.clients) peer.terminate()
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return {
    port,
    url: `${tls === undefined ? 'ws' : 'wss'}://127.0.0.1:${port}/ws`,
    ticketUrl: `${scheme}://127.0.0.1:${port}/ws/ticket`,
    forbiddenUrl: `${tls === undefined ? 'ws' : 'wss'}://127.0.0.1:${port}/admin`,
    /** Moves the server's clock on. */
    advance: async (ms: number) => { ahead += ms },
    stop
  }
}

function isRequest (body: string): boolean {
  const value = parse(body) as { audience?: unknown } | null
  return typeof value === 'object' && value !== null && (value.audience === undefined || typeof value.audience === 'string')
}

function controlOf (message: string): { type: string, token: unknown } | null {
  const value = parse(message) as { type?: unknown, token?: unknown } | null
  if (typeof value !== 'object' || value === null || typeof value.token !== 'string' || value.token === '') return null
  return ['auth', 'jwt', 'refresh'].includes(String(value.type)) ? { type: String(value.type), token: value.token } : null
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
