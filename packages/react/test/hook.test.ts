import './dom.js'
import * as React from 'react'
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import t, { type Test } from 'tap'
import { useAirlockSocket, type AirlockSocket, type AirlockSocketOptions } from '../src/index.js'
import { eventually, fake, mount, settle, uncaught } from './helpers.js'

const { createElement, StrictMode, useEffect } = React

/** A component that shows everything, and exposes its socket. */
function component (onMount: (socket: AirlockSocket<any, any>) => void = () => {}) {
  const seen = { socket: undefined as unknown as AirlockSocket<any, any>, renders: 0 }
  function Panel (options: AirlockSocketOptions<any, any>) {
    const socket = useAirlockSocket<any, any>(options)
    const { status, user, error, lastMessage } = socket
    useEffect(() => { seen.socket = socket })
    useEffect(() => onMount(socket), [])
    seen.renders++
    return JSON.stringify({ status, user: user?.id, error: error?.code, lastMessage })
  }
  return { seen, Panel }
}

/** A page with that component. */
function build (t: Test, onMount?: (socket: AirlockSocket<any, any>) => void) {
  const server = fake()
  const page = mount(t)
  const { seen, Panel } = component(onMount)
  return {
    server,
    page,
    seen,
    shown: () => JSON.parse(page.text()!),
    render: (options: Partial<AirlockSocketOptions<any, any>> = {}) =>
      page.render(createElement(Panel, { ...server.options, ...options })),
    strict: (options: Partial<AirlockSocketOptions<any, any>> = {}) =>
      page.strict(createElement(Panel, { ...server.options, ...options }))
  }
}

t.test('passes both doors and shows each step', async t => {
  const { server, page, seen, shown, render } = build(t)
  await render()
  t.equal(server.sockets.length, 1)
  t.strictSame(shown(), { status: 'connecting' })
  t.strictSame(server.socket.offered, ['airlock.v1', 'ticket.ticket-1'])

  await settle(() => server.socket.accept())
  t.strictSame(shown(), { status: 'authenticating' })
  t.strictSame(server.socket.sent, [{ type: 'auth', token: 'jwt', final: [4410], alive: true, messageRate: true }])

  await settle(() => server.socket.receive({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: Date.now() + 60_000 }))
  t.strictSame(shown(), { status: 'open', user: 'alice' })
  t.equal(seen.socket.connection?.protocol, 'airlock.v1')

  await settle(() => server.socket.receive({ tick: 1 }))
  t.strictSame(shown(), { status: 'open', user: 'alice', lastMessage: { tick: 1 } })

  t.equal(seen.socket.send({ type: 'echo' }), true)
  t.strictSame(server.socket.sent.at(-1), { type: 'echo' })

  await page.unmount()
  t.equal(server.socket.closed?.[0], 1000)
  t.equal(server.sockets.length, 1)
})

t.test('calls the handlers', async t => {
  const { server, render, seen } = build(t)
  const heard: unknown[] = []
  await render({
    reconnect: false,
    onOpen: ({ user, timings }) => heard.push(['open', user?.id, Object.keys(timings)]),
    onMessage: message => heard.push(['message', message]),
    onClose: ({ code, willReconnect }) => heard.push(['close', code, willReconnect]),
    onUncertain: ({ count }) => heard.push(['uncertain', count]),
    onError: ({ code, final }) => heard.push(['error', code, final])
  })
  await settle(() => {
    server.socket.admit()
    seen.socket.send('hi')
    server.socket.receive('hello')
    server.socket.end(4403)
  })
  t.strictSame(heard, [
    ['open', 'alice', ['ticket', 'upgrade', 'auth']],
    ['message', 'hello'],
    ['error', 'WSA_CLIENT_ERR_FORBIDDEN', true],
    ['uncertain', 1],
    ['close', 4403, false]
  ])
})

t.test('has one socket and one ticket per mount', async t => {
  t.test('in StrictMode', async t => {
    const { server, page, shown, strict } = build(t)
    await strict()
    await settle(() => server.socket.admit())
    t.match(shown(), { status: 'open' })
    t.equal(server.tickets(), 1)
    t.equal(server.sockets.length, 1)
    await page.unmount()
    t.equal(server.socket.closed?.[0], 1000)
  })

  t.test('none when it unmounts at once', async t => {
    const server = fake()
    const { Panel } = component()
    const root = createRoot(document.createElement('div'))
    flushSync(() => root.render(createElement(StrictMode, null, createElement(Panel, server.options))))
    flushSync(() => root.unmount())
    await settle()
    t.equal(server.tickets(), 0)
    t.equal(server.sockets.length, 0)
  })

  t.test('another one for each further mount', async t => {
    const { server, page, strict } = build(t)
    await strict()
    await page.render(null)
    t.equal(server.socket.closed?.[0], 1000)
    await strict()
    t.equal(server.tickets(), 2)
    t.equal(server.sockets.length, 2)
  })
})

t.test('after the unmount, it ignores', async t => {
  t.test('a late ticket', async t => {
    const { server, page, render } = build(t)
    let give = (_ticket: string) => {}
    let aborted = false
    await render({
      getTicket: ({ signal }) => new Promise(resolve => {
        give = resolve
        signal.addEventListener('abort', () => { aborted = true })
      })
    })
    await page.unmount()
    t.equal(aborted, true)
    await settle(() => give('late'))
    t.equal(server.sockets.length, 0)
  })

  t.test('a late message', async t => {
    const { server, page, seen, render } = build(t)
    const heard: unknown[] = []
    const hear = (event: unknown) => { heard.push(event) }
    await render({ onMessage: hear, onClose: hear, onError: hear })
    await settle(() => server.socket.admit())
    const { renders } = seen
    const { onmessage, onclose } = server.socket
    await page.unmount()
    await settle(() => {
      onmessage?.({ data: '"late"' })
      onclose?.({ code: 1006, reason: '' })
    })
    t.strictSame(heard, [])
    t.equal(seen.renders, renders)
  })

  t.test('a message between the commit that removes it and the end of its effects', async t => {
    const { server, page, render } = build(t)
    const heard: unknown[] = []
    await render({ onMessage: message => heard.push(message) })
    await settle(() => server.socket.admit())
    function Successor () {
      // Runs in the commit itself. The effects of the removed component end only after it.
      React.useLayoutEffect(() => server.socket.receive('in between'), [])
      return null
    }
    await page.render(createElement(Successor))
    t.equal(server.socket.closed?.[0], 1000)
    t.strictSame(heard, [])
  })

  t.test('calls', async t => {
    const { server, page, seen, render } = build(t)
    await render()
    await page.unmount()
    seen.socket.reconnect()
    seen.socket.close()
    t.throws(() => seen.socket.send('late'), { code: 'WSA_CLIENT_ERR_CLOSED' })
    await settle()
    t.equal(server.tickets(), 1)
  })
})

t.test('enabled: false ends the connection, or does not start it', async t => {
  const { server, seen, shown, render } = build(t)
  await render({ enabled: false })
  t.strictSame(shown(), { status: 'idle' })
  t.equal(seen.socket.connection, null)
  t.throws(() => seen.socket.send('x'), { code: 'WSA_CLIENT_ERR_CLOSED' })
  seen.socket.close()
  seen.socket.reconnect()
  await settle()
  t.strictSame(shown(), { status: 'idle' })
  t.equal(server.tickets(), 0)

  const closes: unknown[] = []
  const onClose = (info: unknown) => closes.push(info)
  await render({ enabled: true, onClose })
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('hello'))
  t.strictSame(shown(), { status: 'open', user: 'alice', lastMessage: 'hello' })

  await render({ enabled: false, onClose })
  t.strictSame(shown(), { status: 'idle' })
  t.strictSame(closes, [], 'onClose is not called for an end that was asked for')
  t.equal(server.socket.closed?.[0], 1000)
  t.equal(server.tickets(), 1)
})

t.test('starts another connection when options change', async t => {
  const { server, shown, render } = build(t)
  const same = { url: 'ws://server/ws', protocols: ['airlock.v1'] }
  await render(same)
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('old'))

  t.test('but not for other functions, or for the same content', async t => {
    await render({ ...same, protocols: ['airlock.v1'], getTicket: () => 'x', onMessage: () => {}, timeout: 1000 })
    await render({ ...same, url: new URL('ws://server/ws') })
    t.equal(server.sockets.length, 1)
  })

  for (const [what, change] of [
    ['url', { url: 'ws://server/other' }],
    ['protocols', { protocols: ['airlock.v1', 'other'] }],
    ['carrier', { carrier: 'query' }],
    ['ticketName', { ticketName: 't' }]
  ] as const) {
    t.test(what, async t => {
      await render(same)
      const before = server.sockets.length
      const { socket } = server
      let closedFirst = false
      await render({ ...same, ...change, getTicket: () => { closedFirst = socket.closed?.[0] === 1000; return 'ticket' } })
      t.equal(server.sockets.length, before + 1)
      t.equal(closedFirst, true)
      t.strictSame(shown(), { status: 'connecting' })
    })
  }
})

t.test('calls the functions of the last render', async t => {
  const { server, render } = build(t)
  const heard: string[] = []
  const version = (n: number) => ({
    reconnect: { min: 1, max: 1 },
    getTicket: () => `ticket-of-${n}`,
    getToken: () => `token-of-${n}`,
    onMessage: () => heard.push(`message-of-${n}`)
  })
  await render(version(1))
  await render(version(2))
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('x'))
  t.strictSame(heard, ['message-of-2'])
  t.strictSame(server.socket.sent, [{ type: 'auth', token: 'token-of-1', final: [4410], alive: true, messageRate: true }])

  await render(version(3))
  server.socket.end(4408)
  await eventually(() => server.sockets.length === 2)
  t.strictSame(server.socket.offered, ['airlock.v1', 'ticket.ticket-of-3'])
  await settle(() => server.socket.admit())
  t.strictSame(server.socket.sent, [{ type: 'auth', token: 'token-of-3', final: [4410], alive: true, messageRate: true }])

  t.test('and those of the first render when they are missing', async t => {
    await render({ reconnect: { min: 1, max: 1 }, getTicket: undefined, getToken: undefined })
    server.socket.end(1012, '{"retryAfter":1}')
    await eventually(() => server.sockets.length === 3)
    t.strictSame(server.socket.offered, ['airlock.v1', 'ticket.ticket-of-1'])
    await settle(() => server.socket.admit())
    t.strictSame(server.socket.sent, [{ type: 'auth', token: 'token-of-1', final: [4410], alive: true, messageRate: true }])
  })
})

t.test('works without doors', async t => {
  const { server, shown, render } = build(t)
  await render({ getTicket: undefined, getToken: undefined })
  t.strictSame(server.socket.offered, ['airlock.v1'])
  await settle(() => server.socket.accept())
  t.strictSame(shown(), { status: 'open' })
})

t.test('error', async t => {
  t.test('says why it waits, and is null when it is open again', async t => {
    const { server, seen, shown, render } = build(t)
    await render({ random: () => 0.999, reconnect: { min: 600_000, max: 600_000 } })
    await settle(() => server.socket.admit())
    await settle(() => server.socket.end(1013))
    t.strictSame(shown(), { status: 'waiting', user: 'alice', error: 'WSA_CLIENT_ERR_UNREACHABLE' })
    await settle(() => seen.socket.reconnect())
    t.strictSame(shown(), { status: 'connecting', user: 'alice', error: 'WSA_CLIENT_ERR_UNREACHABLE' })
    await settle(() => server.socket.admit())
    t.strictSame(shown(), { status: 'open', user: 'alice' })
  })

  t.test('says what ended it', async t => {
    const { server, shown, render } = build(t)
    await render()
    await settle(() => server.socket.admit())
    await settle(() => server.socket.end(4403))
    t.strictSame(shown(), { status: 'closed', user: 'alice', error: 'WSA_CLIENT_ERR_FORBIDDEN' })
  })

  t.test('is not set for a bad message, which only the handler hears of', async t => {
    const { server, shown, render } = build(t)
    const heard: string[] = []
    await render({ onError: ({ code }) => heard.push(code) })
    await settle(() => server.socket.admit())
    await settle(() => server.socket.onmessage?.({ data: '{' }))
    t.strictSame(heard, ['WSA_CLIENT_ERR_MESSAGE'])
    t.strictSame(shown(), { status: 'open', user: 'alice' })
  })

  t.test('is set when the client cannot use the options', async t => {
    const { server, seen, shown, strict } = build(t)
    const heard: string[] = []
    await strict({ url: 'ftp://server', onError: ({ code }) => heard.push(code) })
    t.strictSame(shown(), { status: 'closed', error: 'WSA_CLIENT_ERR_OPTIONS' })
    t.strictSame(heard, ['WSA_CLIENT_ERR_OPTIONS'])
    t.throws(() => seen.socket.send('x'), { code: 'WSA_CLIENT_ERR_CLOSED' })
    await strict()
    await settle(() => server.socket.admit())
    t.strictSame(shown(), { status: 'open', user: 'alice' })
  })
})

t.test('other errors than those of the client are uncaught', async t => {
  const errors = uncaught(t)
  const { shown, render } = build(t)
  await render({ reconnect: { get min (): number { throw new Error('mine') } } })
  t.match(errors, [{ message: 'mine' }])
  t.strictSame(shown(), { status: 'idle' })
})

t.test('close() ends the connection, and reconnect() starts another one', async t => {
  const { server, seen, shown, render } = build(t)
  const closes: unknown[] = []
  // Longer than any machine takes to look.
  const patient = { random: () => 0.999, reconnect: { min: 600_000, max: 600_000 } }
  await render({ ...patient, onClose: ({ code, reason }) => closes.push([code, reason]) })
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('old'))

  await settle(() => seen.socket.reconnect())
  t.equal(server.sockets.length, 1, 'does nothing while it is open')

  await settle(() => seen.socket.close(4000, 'enough'))
  t.strictSame(server.socket.closed, [4000, 'enough'])
  t.strictSame(closes, [[4000, 'enough']])
  t.strictSame(shown(), { status: 'closed', user: 'alice', lastMessage: 'old' })
  t.throws(() => seen.socket.send('x'), { code: 'WSA_CLIENT_ERR_CLOSED' })

  await render(patient)
  t.equal(server.sockets.length, 1, 'another render does not start it again')

  await settle(() => seen.socket.reconnect())
  t.strictSame(shown(), { status: 'connecting' })
  t.equal(server.tickets(), 2)
  await settle(() => server.socket.admit('bob'))
  t.strictSame(shown(), { status: 'open', user: 'bob' })

  await settle(() => server.socket.end(1013))
  t.match(shown(), { status: 'waiting' })
  await settle(() => seen.socket.reconnect())
  t.match(shown(), { status: 'connecting' }, 'a wait is cut short')
  t.equal(server.tickets(), 3)

  await render({ url: 'ws://server/other' })
  await settle(() => seen.socket.close())
  await render({ url: 'ws://server/ws' })
  t.match(shown(), { status: 'connecting' }, 'other options start it again')
})

t.test('reconnect() may be called by a handler that hears of the end', async t => {
  const { server, seen, shown, render } = build(t)
  const heard: unknown[] = []
  await render({
    onError: ({ code }) => {
      heard.push(code)
      seen.socket.reconnect()
    },
    onClose: ({ code }) => heard.push(code)
  })
  await settle(() => server.socket.admit())
  await settle(() => server.socket.end(4403))
  t.strictSame(heard, ['WSA_CLIENT_ERR_FORBIDDEN', 4403])
  t.strictSame(shown(), { status: 'connecting' })
  t.equal(server.tickets(), 2)
})

t.test('effects of the first render may call it', async t => {
  t.test('send() queues until there is a connection, and sends once', async t => {
    const { server, strict } = build(t, ({ send }) => {
      t.equal(send('first'), false)
      send('second')
    })
    await strict()
    await settle(() => server.socket.admit())
    t.strictSame(server.socket.sent, [{ type: 'auth', token: 'jwt', final: [4410], alive: true, messageRate: true }, 'first', 'second'])
  })

  t.test('the queue is bounded', async t => {
    const { server, render } = build(t, ({ send }) => {
      send(1)
      send(2)
      t.throws(() => send(3), { code: 'WSA_CLIENT_ERR_QUEUE_FULL' })
    })
    await render({ queue: { messages: 2 } })
    await settle(() => server.socket.admit())
    t.strictSame(server.socket.sent.slice(1), [1, 2])
  })

  t.test('an error in send() is uncaught, and the other messages are sent', async t => {
    const errors = uncaught(t)
    const { server, render } = build(t, ({ send }) => {
      send(1n)
      send('good')
    })
    await render()
    await settle(() => server.socket.admit())
    t.match(errors, [TypeError])
    t.strictSame(server.socket.sent.slice(1), ['good'])
  })

  t.test('close() prevents the start, and reconnect() starts it', async t => {
    const { server, seen, shown, strict } = build(t, ({ send, close }) => {
      send('never')
      close()
    })
    await strict()
    t.strictSame(shown(), { status: 'closed' })
    t.equal(server.tickets(), 0)
    await settle(() => seen.socket.reconnect())
    await settle(() => server.socket.admit())
    t.strictSame(server.socket.sent, [{ type: 'auth', token: 'jwt', final: [4410], alive: true, messageRate: true }])
  })

  t.test('messages are dropped when the options cannot be used', async t => {
    const { server, seen, render } = build(t, ({ send }) => { send('never') })
    await render({ url: 'ftp://server' })
    await render()
    await settle(() => server.socket.admit())
    t.strictSame(server.socket.sent, [{ type: 'auth', token: 'jwt', final: [4410], alive: true, messageRate: true }])
    t.equal(seen.socket.status, 'open')
  })
})

t.test('an error in a handler is uncaught, and affects nothing else', async t => {
  const errors = uncaught(t)
  const { server, shown, render } = build(t)
  await render({ onMessage: () => { throw new Error('mine') } })
  await settle(() => server.socket.admit())
  await settle(() => server.socket.receive('hello'))
  t.match(errors, [{ message: 'mine' }])
  t.strictSame(shown(), { status: 'open', user: 'alice', lastMessage: 'hello' })
})

// Since React 19.2.
const { Activity } = React as { Activity?: React.FunctionComponent<any> }
t.test('a hidden Activity has no connection', { skip: Activity === undefined && 'React 18 has no Activity' }, async t => {
  const server = fake()
  const page = mount(t)
  const { Panel } = component()
  const show = (mode: string) => page.strict(createElement(Activity!, { mode }, createElement(Panel, server.options)))
  await show('hidden')
  t.equal(server.tickets(), 0)
  await show('visible')
  await settle(() => server.socket.admit())
  t.match(JSON.parse(page.text()!), { status: 'open' })
  await show('hidden')
  t.equal(server.socket.closed?.[0], 1000)
  await show('visible')
  t.equal(server.tickets(), 2)
  t.match(JSON.parse(page.text()!), { status: 'connecting' })
})

t.test('a volatile message waits for nothing', async t => {
  const { options, sockets } = fake()
  const page = mount(t)
  let taken: boolean | undefined
  function Panel () {
    const { status, send } = useAirlockSocket<any, any>(options)
    useEffect(() => { taken = send('position', { volatile: true }) }, [status, send])
    return status
  }
  await page.render(createElement(Panel))
  t.equal(taken, false)
  await settle(() => sockets[0]!.admit())
  t.equal(taken, true)
  t.strictSame(sockets[0]!.sent.slice(1), ['position'])
})
