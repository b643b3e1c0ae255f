import { decorateIdentity } from '@fastify-airlock/core'
import fp from 'fastify-plugin'
import { WSA_PROXY_ERR_CLOSING, WSA_PROXY_ERR_NO_WEBSOCKET } from './errors.js'
import { speakForUpstreams } from './handshake.js'
import { parseProxy } from './options.js'
import { createProxy, createShared } from './proxy.js'
import type { ProxyPluginOptions, WsProxy } from './types.js'

/**
 * Proxies WebSockets to an upstream and adds headers that the client never sees. The options given here are the
 * defaults of every proxy.
 *
 * @throws WSA_PROXY_ERR_NO_WEBSOCKET, WSA_PROXY_ERR_OPTION
 *
 * @example
 * await app.register(websocket, websocketOptions())
 * await app.register(wsProxy)
 * const proxy = app.wsProxy({ upstream: 'wss://api.example.com/feed', headers: { 'x-api-key': process.env.API_KEY } })
 * app.get('/feed', { websocket: true, preValidation: [app.wsGuard(), proxy.dial] }, app.wsHandshake(proxy))
 */
export const wsProxy = fp<ProxyPluginOptions>(async (fastify, defaults) => {
  const { websocketServer } = fastify
  if (websocketServer === undefined) throw new WSA_PROXY_ERR_NO_WEBSOCKET()
  parseProxy({ upstream: 'wss://localhost', ...defaults })
  const shared = createShared()
  const decorator = (options: ProxyPluginOptions = {}) => createProxy(shared, { ...defaults, ...options })
  Object.defineProperties(decorator, {
    dialling: { get: () => shared.dialling.size },
    open: { get: () => shared.open }
  })
  decorateIdentity(fastify)
  fastify.decorate('wsProxy', decorator as unknown as WsProxy)

  // When all plugins are there: whoever takes the server's one handleProtocols over last decides.
  fastify.addHook('onReady', async () => { speakForUpstreams(websocketServer) })
  fastify.addHook('preClose', async () => {
    for (const dial of [...shared.dialling]) dial.cancel(new WSA_PROXY_ERR_CLOSING())
  })
  fastify.addHook('onClose', async () => { shared.sweep.close() })
}, { fastify: '5.x', name: '@fastify-airlock/proxy' })
