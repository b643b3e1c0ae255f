import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify from 'fastify'
import t from 'tap'
import { wsProxy } from '../src/index.js'

t.test('a proxy in the wrong place throws where the route is declared', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsProxy)
  const { wsProxy: make } = app
  t.equal(make.open, 0)
  const proxy = make({ upstream: 'ws://localhost' })
  const rows: Array<[() => unknown, string, string | RegExp]> = [
    [() => app.get('/ws', { websocket: true }, make as never), 'NOT_CALLED', 'Call it, app.wsProxy(options): the handler of GET /ws is app.wsProxy itself, which was not called'],
    [() => app.get('/ws', { websocket: true }, wsProxy as never), 'NOT_CALLED', /the plugin wsProxy/],
    [() => app.get('/ws', { websocket: true, preValidation: proxy as never }, proxy), 'MISPLACED', /app\.wsProxy\(\) is the preValidation of GET \/ws/],
    [() => app.get('/ws', { websocket: true, preParsing: proxy.dial as never }, proxy), 'MISPLACED', /app\.wsProxy\(\)\.dial is the preParsing of GET \/ws/],
    [() => app.get('/ws', { websocket: true }, proxy.dial as never), 'MISPLACED', /dial is the handler/]
  ]
  for (const [declare, code, message] of rows) t.throws(declare, { code: `WSA_PROXY_ERR_${code}`, message }, String(message))
  t.doesNotThrow(() => app.get('/ws', { websocket: true, preValidation: proxy.dial }, proxy))
  t.throws(() => make({ upstream: 'ws://localhost', url: 1 } as object), { code: 'WSA_PROXY_ERR_OPTION', message: /unknown option `url`\. Known options: upstream, / })
  for (const options of [null, 'x', []]) t.throws(() => make(options as object), { code: 'WSA_PROXY_ERR_OPTION', message: /options: Expected an object/ })
  t.throws(() => make({ upstream: 'wss://localhost', tls: { certificate: 'x' } } as object), { message: /tls\.certificate: unknown option `certificate`/ })
})
