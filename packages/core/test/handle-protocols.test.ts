import type { IncomingMessage } from 'node:http'
import t from 'tap'
import type { WebSocketServer } from 'ws'
import { type HandleProtocols, selectProtocols } from '../src/index.js'

/** A server's options, as `ws` keeps and reads them. */
function build (own: HandleProtocols | null = null) {
  const server = { options: { handleProtocols: own } } as unknown as WebSocketServer
  const { options } = server
  return {
    server,
    options,
    choose: (...offered: string[]) => options.handleProtocols?.(new Set(offered), {} as IncomingMessage)
  }
}

const speaking = (spoken: string): HandleProtocols => offered => offered.has(spoken) ? spoken : false

/** Selects its own protocol, and leaves the rest to those before. */
const ours = (spoken: string): Parameters<typeof selectProtocols>[1] => (offered, _request, next) => {
  const [first = false] = offered
  return offered.has(spoken) ? spoken : next(offered) ?? first
}

t.test('a selection survives whatever is assigned over it', t => {
  for (const [name, assign, expected] of [
    ['nothing', () => {}, { other: 'other', graphql: 'graphql' }],
    ['a handler', ({ options }) => { options.handleProtocols = speaking('graphql') }, { other: false, graphql: 'graphql' }],
    ['a handler at every connection', ({ options }) => {
      const handler = speaking('graphql')
      for (let connection = 0; connection < 100; connection++) options.handleProtocols = handler
    }, { other: false, graphql: 'graphql' }],
    ['a new handler at every connection', ({ options }) => {
      for (let connection = 0; connection < 100; connection++) options.handleProtocols = speaking('graphql')
    }, { other: false, graphql: 'graphql' }],
    ['itself', ({ options }) => { options.handleProtocols = options.handleProtocols as HandleProtocols }, { other: 'other', graphql: 'graphql' }],
    ['nothing again', ({ options }) => {
      options.handleProtocols = speaking('graphql')
      Object.assign(options, { handleProtocols: undefined })
    }, { other: 'other', graphql: 'graphql' }],
    ['null', ({ options }) => { Object.assign(options, { handleProtocols: null }) }, { other: 'other', graphql: 'graphql' }],
    ['one that calls what it found', ({ options }) => {
      const found = options.handleProtocols as HandleProtocols
      options.handleProtocols = (offered, request) => offered.has('graphql') ? 'graphql' : found(offered, request)
    }, { other: 'other', graphql: 'graphql' }]
  ] as Array<[string, (built: ReturnType<typeof build>) => void, Record<string, string | false>]>) {
    const built = build()
    selectProtocols(built.server, ours('airlock.v1'))
    assign(built)
    t.equal(built.choose('first', 'airlock.v1'), 'airlock.v1', name)
    t.equal(built.choose('other'), expected.other, name)
    t.equal(built.choose('graphql'), expected.graphql, name)
  }
  t.end()
})

t.test('a server whose options do not name a handler gets one', t => {
  const server = { options: {} } as unknown as WebSocketServer
  selectProtocols(server, ours('guard'))
  server.options.handleProtocols = speaking('graphql')
  for (const name of ['guard', 'graphql']) t.equal(server.options.handleProtocols(new Set([name]), {} as IncomingMessage), name)
  t.end()
})

t.test('handlers that call the one they found are asked one after the other', t => {
  const built = build(speaking('zero'))
  selectProtocols(built.server, ours('guard'))
  const asked: string[] = []
  for (const name of ['one', 'two']) {
    if (name === 'two') selectProtocols(built.server, ours('proxy'))
    const found = built.options.handleProtocols as HandleProtocols
    built.options.handleProtocols = (offered, request) => {
      asked.push(name)
      return offered.has(name) ? name : found(offered, request)
    }
  }
  for (const name of ['proxy', 'guard', 'two', 'one', 'zero']) t.equal(built.choose('other', name), name)
  t.same(asked, ['two', 'two', 'one', 'two', 'one'])
  t.equal(built.choose('other'), false, 'the first handler decides in the end')
  t.end()
})

t.test('a handler that throws leaves the next upgrade as it is', t => {
  const built = build(speaking('zero'))
  selectProtocols(built.server, ours('guard'))
  built.options.handleProtocols = offered => {
    if (offered.has('bad')) throw new Error('a fault of the application')
    return 'mine'
  }
  t.throws(() => built.choose('bad'), { message: 'a fault of the application' })
  t.equal(built.choose('zero'), 'mine')
  t.end()
})
