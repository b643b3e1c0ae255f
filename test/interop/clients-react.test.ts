// Runs alone: the library takes its WebSocket and its timers from the globals of a page.
import { closeMaps } from '@fastify-airlock/client/websocket'
import { JSDOM } from 'jsdom'
import t from 'tap'
import { serve, until } from './clients-doors.js'

t.test('react-use-websocket, unchanged, through both doors', async t => {
  const server = await serve(t, {
    handler: socket => { socket.on('message', data => { socket.send(`echo ${String(data)}`) }) }
  })
  const { Class, errors } = server.socketClass(closeMaps.any)
  const { window } = new JSDOM('<div id="root"></div>', { url: 'http://app.example/' })
  for (const [name, value] of Object.entries({ window, document: window.document, navigator: window.navigator, WebSocket: Class })) t.intercept(globalThis as never, name as never, { value, writable: true })
  const { createElement } = await import('react')
  const { createRoot } = await import('react-dom/client')
  const { default: { default: useWebSocket, ReadyState } } = await import('react-use-websocket') as unknown as { default: typeof import('react-use-websocket') }

  let hook: ReturnType<typeof useWebSocket> | undefined
  const attempts: number[] = []
  function Page (): null {
    hook = useWebSocket(server.url, {
      shouldReconnect: ({ code }) => {
        attempts.push(code)
        // What the class says is final stays so.
        return !(code >= 4400 && code < 4500)
      },
      reconnectInterval: 20,
      reconnectAttempts: 1_000
    })
    return null
  }
  const root = createRoot(window.document.querySelector('#root') as never)
  root.render(createElement(Page))
  t.teardown(() => { root.unmount() })

  let count = 0
  async function exchange (): Promise<void> {
    const text = `message ${count++}`
    await until(() => hook?.readyState === ReadyState.OPEN)
    hook?.sendMessage(text)
    await until(() => hook?.lastMessage?.data === `echo ${text}`)
  }
  const lost = async (act: () => unknown): Promise<void> => {
    const { length } = attempts
    await act()
    await until(() => attempts.length > length)
  }

  await exchange()
  t.same(server.seen, { tickets: 1, connections: 1 })
  await lost(() => server.restart())
  await exchange()
  t.equal(server.seen.connections, 2, 'comes back after a restart of the server')
  await lost(() => { server.closeAll(4401, 'token expired') })
  await exchange()
  t.equal(server.seen.connections, 3, 'comes back after the expiry, with a fresh JWT')
  const { tickets } = server.seen
  await lost(() => { server.closeAll(4403, 'not authorized') })
  await new Promise(resolve => setTimeout(resolve, 400))
  t.same(server.seen, { tickets, connections: 3 }, 'asks for nothing after a final refusal')
  t.equal(attempts.at(-1), 4400)
  t.ok(errors.at(-1)?.final)
})
