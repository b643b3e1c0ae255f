// Runs alone: the environment is read once in a process, and forces the public way here.
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import type { WebSocketServer } from 'ws'

// Read once, when the packages are loaded.
process.env.AIRLOCK_PUBLIC = '1'
const { build, connect, upstream } = await import('./helpers.js')
const { answerForUpstreams } = await import('../src/internals.js')
const { setAnswer } = await import('../src/upgrade.js')

/** Selects the first of these that is offered. */
const select = (...spoken: string[]) => (offered: Set<string>) => spoken.find(protocol => offered.has(protocol)) ?? false as const

t.test('the 101 names what the upstream selects, and nothing else', async t => {
  const far = await upstream(t, { options: { handleProtocols: select('v1') }, headers: ['X-Node: seven'] })
  const { app, port } = await build(t, {
    proxy: { upstream: far.url, protocols: ['v1'], responseHeaders: ['x-node'] },
    routes: app => {
      const proxy = app.wsProxy()
      app.get('/ws', { websocket: true, preValidation: proxy.dial }, proxy)
      app.get('/other', { websocket: true }, () => {})
    }
  })
  const lines: string[][] = []
  app.websocketServer.on('headers', headers => { lines.push([...headers]) })
  t.equal((await connect(t, port, ['v2', 'v1'])).socket.protocol, 'v1')
  t.strictSame(lines[0]?.slice(3).sort().slice(-2), ['Sec-WebSocket-Protocol: v1', 'x-node: seven'])
  t.equal((await connect(t, port)).socket.protocol, '')
  await t.rejects(connect(t, port, ['v2']), { message: 'Server sent no subprotocol' })
  t.equal((await connect(t, port, ['v2'], {}, '/other')).socket.protocol, 'v2', 'other routes are left alone')
})

t.test('a handler of the server decides about everything else', async t => {
  const far = await upstream(t, { options: { handleProtocols: select('v1') } })
  const { port } = await build(t, {
    proxy: { upstream: far.url, protocols: ['v1'] },
    routes: app => {
      app.websocketServer.options.handleProtocols = select('airlock.v1')
      const proxy = app.wsProxy()
      app.get('/ws', { websocket: true, preValidation: proxy.dial }, proxy)
    }
  })
  t.equal((await connect(t, port, ['ticket.secret', 'airlock.v1'])).socket.protocol, 'airlock.v1')
  t.equal((await connect(t, port, ['airlock.v1', 'v1'])).socket.protocol, 'v1')
  t.equal((await connect(t, port, ['v1'])).socket.protocol, 'v1', 'also if the server itself selects nothing')
})

t.test('a server whose options cannot be read keeps its own selection, unless the upstream has selected', async t => {
  const server = new EventEmitter()
  answerForUpstreams(server as WebSocketServer, { warn: () => { t.fail('a warning') } })
  const linesFor = (protocol: string): string[] => {
    const request = {} as IncomingMessage
    setAnswer(request, { protocol, headers: [] })
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Sec-WebSocket-Protocol: own']
    server.emit('headers', lines, request)
    return lines.slice(1)
  }
  t.strictSame(linesFor(''), ['Sec-WebSocket-Protocol: own'])
  t.strictSame(linesFor('v1'), ['Sec-WebSocket-Protocol: v1'])
})
