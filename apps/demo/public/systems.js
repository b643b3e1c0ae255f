import { explain } from './api.js'
import { closed, opened, openSocket, received, send } from './socket.js'

/**
 * What the page does with other systems: the authority of external tokens, and the upstream. Each has a socket of its
 * own.
 *
 * @param {object} page
 * @param {Function} page.call makes an HTTP request and logs it
 * @param {Function} page.log
 * @param {(id: string, text: string) => void} page.tell
 * @param {() => Promise<{ ticket: string }>} page.getTicket
 * @param {() => string} page.token the JWT of who is logged in
 */
export function createSystems ({ call, log, tell, getTicket, token }) {
  const sockets = { external: null, upstream: null }
  const isOpen = name => sockets[name]?.readyState === WebSocket.OPEN

  async function open (name, options) {
    sockets[name]?.close(1000)
    const socket = openSocket({ path: `/ws/${name}`, ...options, log, lane: name })
    sockets[name] = socket
    closed(socket).then(code => {
      if (sockets[name] === socket) tell(`${name}-state`, code === 1006 ? 'Refused before the upgrade (1006), or the connection was lost.' : `Closed with ${code}.`)
    })
    return await opened(socket) ? socket : null
  }

  async function ask (method, path, options) {
    const answer = await call(method, path, options)
    if (!answer.ok) throw new Error(explain(answer))
    return answer.body
  }

  return {
    isOpen,

    async externalLogin (credentials) {
      const { expiresIn } = await ask('POST', '/external/login', { json: credentials })
      tell('external-state', `The cookie ext_token is set, for ${expiresIn} s.`)
    },
    async externalMe () {
      const { name, scope } = await ask('GET', '/external/me')
      tell('external-state', `The authority says: ${name}, scope ${scope}.`)
    },
    async externalConnect () {
      if (await open('external', {}) !== null) tell('external-state', 'Connected: the cookie was enough.')
    },
    externalWhoAmI: () => send(sockets.external, { type: 'whoami' }, log, 'external'),
    async externalLogout () {
      await ask('POST', '/external/logout')
      tell('external-state', 'The token is revoked, and its sockets are closed.')
    },

    async upstreamConnect () {
      const socket = await open('upstream', await getTicket())
      if (socket === null) return
      const welcome = received(socket, 'auth_ok')
      send(socket, { type: 'auth', token: token() }, log, 'upstream')
      if (await welcome !== null) tell('upstream-state', 'Through both doors, and connected with the upstream.')
    },
    upstreamEcho: text => send(sockets.upstream, { type: 'echo', data: text }, log, 'upstream'),
    async callApi () {
      const { hello, headers } = await ask('GET', '/api/hello', { token: token() })
      tell('upstream-state', `Hello ${hello}. It got the headers ${headers.join(', ')}.`)
    }
  }
}
