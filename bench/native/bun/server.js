// A server with the two doors of Airlock on what Bun brings along, for comparison: a ticket for the upgrade, a JWT in the
// first frame.
import { createHash, randomBytes } from 'node:crypto'
import { createVerifier } from 'fast-jwt'

const { JWT_SECRET, ALLOWED_ORIGIN } = process.env
const AUTH_TIMEOUT = 5_000
const TICKET_LIFE = 30_000
const TOPIC = 'all'

const verify = createVerifier({ key: JWT_SECRET, algorithms: ['HS256'], requiredClaims: ['exp', 'sub'] })

/** Hashes only: who reads this memory holds no ticket. */
const tickets = new Map()
const hash = ticket => createHash('sha256').update(ticket).digest('base64')

setInterval(() => {
  const now = Date.now()
  for (const [key, { expires }] of tickets) if (expires < now) tickets.delete(key)
}, TICKET_LIFE / 2)

function issue (request) {
  let subject
  try {
    const [scheme, token] = (request.headers.get('authorization') ?? '').split(' ')
    if (scheme !== 'Bearer') throw new Error('no token')
    subject = verify(token).sub
  } catch {
    return new Response(null, { status: 401 })
  }
  const ticket = randomBytes(32).toString('base64url')
  tickets.set(hash(ticket), { subject, expires: Date.now() + TICKET_LIFE })
  return Response.json({ ticket, expiresIn: 30, protocol: 'airlock.v1' }, { status: 201, headers: { 'cache-control': 'no-store' } })
}

function enter (request, server) {
  const refuse = status => new Response(null, { status, headers: { connection: 'close' } })
  if (request.headers.get('origin') !== ALLOWED_ORIGIN) return refuse(403)
  const offered = (request.headers.get('sec-websocket-protocol') ?? '').split(',').map(name => name.trim())
  const ticket = offered.find(name => name.startsWith('ticket.'))?.slice('ticket.'.length)
  if (ticket === undefined) return refuse(401)
  const key = hash(ticket)
  const record = tickets.get(key)
  tickets.delete(key)
  if (record === undefined || record.expires < Date.now()) return refuse(401)
  const upgraded = server.upgrade(request, {
    headers: { 'Sec-WebSocket-Protocol': 'airlock.v1' },
    data: { subject: record.subject, authenticated: false, timer: undefined }
  })
  return upgraded ? undefined : refuse(400)
}

/** @returns when the token expires, or nothing where it is not good enough */
function authenticate (text, subject) {
  try {
    const { type, token } = JSON.parse(text)
    const { sub, exp } = verify(token)
    return type === 'auth' && sub === subject ? exp * 1000 : undefined
  } catch {
    return undefined
  }
}

const server = globalThis.Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch (request, server) {
    switch (new URL(request.url).pathname) {
      case '/ws/ticket': return request.method === 'POST' ? issue(request) : new Response(null, { status: 405 })
      case '/ws':
      case '/room': return enter(request, server)
      case '/bench/cpu': {
        const { user, system } = process.cpuUsage()
        return new Response(String(user + system))
      }
      default: return new Response(null, { status: 404 })
    }
  },
  websocket: {
    maxPayloadLength: 64 * 1024,
    open (socket) {
      socket.data.timer = setTimeout(() => socket.close(4408, 'authentication timeout'), AUTH_TIMEOUT)
    },
    message (socket, text) {
      const { data } = socket
      if (data.authenticated) {
        server.publish(TOPIC, JSON.stringify({ from: data.subject, text: String(text) }))
        return
      }
      clearTimeout(data.timer)
      const expiresAt = authenticate(text, data.subject)
      if (expiresAt === undefined) {
        socket.close(4401, 'token invalid')
        return
      }
      data.authenticated = true
      data.timer = setTimeout(() => socket.close(4401, 'token expired'), expiresAt - Date.now())
      socket.send(JSON.stringify({ type: 'auth_ok', user: { id: data.subject }, expiresAt }))
      socket.subscribe(TOPIC)
    },
    close: ({ data }) => clearTimeout(data.timer)
  }
})

console.log(server.port)
