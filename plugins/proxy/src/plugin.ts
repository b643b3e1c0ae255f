import {
  decorateIdentity, markRoutePart, mergeOptions, Misuse, refuseTwice, requireWebsocket, watchRoutes, withoutFastifyOptions
} from '@fastify-airlock/core'
import { CLOSE_TIMEOUT_MS } from '@fastify-airlock/protocol'
import fp from 'fastify-plugin'
import { WSA_PROXY_ERR_CLOSING, WSA_PROXY_ERR_NO_WEBSOCKET, WSA_PROXY_ERR_OPTION } from './errors.js'
import { answerForUpstreams } from './internals.js'
import { parseProxyOptions, type ProxyPluginOptions } from './options.js'
import { createProxy, createSharedState } from './proxy.js'
import { PROXY } from './route-part.js'
import type { WsProxy } from './types.js'

/**
 * Proxies WebSockets to an upstream and adds headers that the client never sees. The options given here are the
 * defaults of every proxy.
 *
 * @throws {@link WSA_PROXY_ERR_NO_WEBSOCKET} when `@fastify/websocket` is not registered yet
 * @throws {@link WSA_PROXY_ERR_OPTION} when an option is wrong
 *
 * @example
 * await app.register(websocket, websocketOptions())
 * await app.register(wsProxy)
 * const proxy = app.wsProxy({ upstream: 'wss://api.example.com/feed', headers: { 'x-api-key': process.env.API_KEY } })
 * app.get('/feed', { websocket: true, preValidation: [app.wsGuard(), proxy.dial] }, app.wsHandshake(proxy))
 */
export const wsProxy = fp<ProxyPluginOptions>(async (fastify, options) => {
  refuseTwice(fastify, 'wsProxy', 'proxy')
  const defaults = withoutFastifyOptions(options, fastify)
  const websocketServer = requireWebsocket(fastify, () => new WSA_PROXY_ERR_NO_WEBSOCKET())
  parseProxyOptions({ upstream: 'wss://localhost', ...defaults })
  const shared = createSharedState()
  const misuse = Misuse.of(fastify, 'WSA_PROXY_WARN_ANSWER')
  const decorator = (options: ProxyPluginOptions = {}) => createProxy(shared, mergeOptions(defaults, options, WSA_PROXY_ERR_OPTION), misuse)
  Object.defineProperties(decorator, {
    dialling: { get: () => shared.dialling.size },
    open: { get: () => shared.open }
  })
  decorateIdentity(fastify)
  watchRoutes(fastify)
  fastify.decorate('wsProxy', markRoutePart(decorator as unknown as WsProxy, PROXY.maker))

  // After all plugins: the last one to take the server's one handleProtocols decides.
  fastify.addHook('onReady', async () => { answerForUpstreams(websocketServer, fastify.log) })
  fastify.addHook('preClose', async () => {
    for (const attempt of [...shared.dialling]) attempt.cancel(new WSA_PROXY_ERR_CLOSING())
  })
  fastify.addHook('onClose', async () => {
    shared.sweep.close()
    for (const closer of shared.closers) closer.hurry(CLOSE_TIMEOUT_MS)
  })
}, { fastify: '5.x', name: '@fastify-airlock/proxy' })

markRoutePart(wsProxy, PROXY.plugin)
