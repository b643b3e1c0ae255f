export const SUBPROTOCOL = 'airlock.v1'

/**
 * Opens a WebSocket that writes all it does to the log.
 *
 * @param {object} options
 * @param {string} options.path route on this server
 * @param {string} [options.ticket] none at all unless given
 * @param {'subprotocol' | 'cookie' | 'query'} [options.carrier] how the ticket travels
 * @param {string} [options.bearer] a JWT that travels as a subprotocol
 * @param {Function} options.log
 * @param {string} options.lane
 */
export function openSocket ({ path, ticket, carrier = 'subprotocol', bearer, log, lane }) {
  const url = new URL(path, document.location.href)
  url.protocol = url.protocol.replace('http', 'ws')
  const protocols = [SUBPROTOCOL]
  if (bearer !== undefined) protocols.push(`bearer.${bearer}`)
  if (ticket !== undefined) carry(ticket, carrier, url, protocols)

  log('out', lane, `GET ${url.pathname}${url.search}, Sec-WebSocket-Protocol: ${protocols.join(', ')}${carrier === 'cookie' ? ', Cookie: ticket=…' : ''}`)
  const socket = new WebSocket(url, protocols)
  socket.addEventListener('open', () => {
    dropCookie()
    log('info', lane, `101, the first door is open (${socket.protocol})`)
  })
  socket.addEventListener('message', ({ data }) => log('in', lane, data))
  socket.addEventListener('close', ({ code, reason }) => {
    dropCookie()
    log(code === 1000 ? 'info' : 'bad', lane, `closed: ${describe(code, reason)}`)
  })
  return socket
}

/** Sends a message and logs it. */
export function send (socket, message, log, lane) {
  const text = typeof message === 'string' ? message : JSON.stringify(message)
  log('out', lane, text)
  socket.send(text)
}

/** Settles with `true` once the upgrade is done, with `false` where it was refused. */
export function opened (socket) {
  return new Promise(resolve => {
    socket.addEventListener('open', () => resolve(true), { once: true })
    socket.addEventListener('close', () => resolve(false), { once: true })
  })
}

/** Settles with the close code. */
export function closed (socket) {
  return new Promise(resolve => socket.addEventListener('close', ({ code }) => resolve(code), { once: true }))
}

/** Settles with the next message of a type, or with `null` where the socket closes before. */
export function received (socket, type) {
  return new Promise(resolve => {
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(data)
      if (message.type === type) resolve(message)
    })
    socket.addEventListener('close', () => resolve(null), { once: true })
  })
}

function carry (ticket, carrier, url, protocols) {
  if (carrier === 'subprotocol') protocols.push(`ticket.${ticket}`)
  else if (carrier === 'query') url.searchParams.set('ticket', ticket)
  else document.cookie = `ticket=${ticket}; Path=/ws; Max-Age=30; SameSite=Strict`
}

function dropCookie () {
  document.cookie = 'ticket=; Path=/ws; Max-Age=0; SameSite=Strict'
}

function describe (code, reason) {
  if (code === 1006) return '1006, without a close frame: refused before the upgrade, or the connection was lost'
  return reason === '' ? String(code) : `${code} ${reason}`
}
