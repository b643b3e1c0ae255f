import { act, createElement, StrictMode, type ReactNode } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import type { Test } from 'tap'
import type { AirlockSocketOptions } from '../src/index.js'

const environment = globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }

/** Does something, and waits until React and all microtasks are done with it. */
export async function settle (work: () => unknown = () => {}): Promise<void> {
  environment.IS_REACT_ACT_ENVIRONMENT = true
  try {
    await act(async () => { await work() })
  } finally {
    environment.IS_REACT_ACT_ENVIRONMENT = false
  }
}

/** A root in the page, unmounted when the test ends. Fails if React has logged an error by then. */
export function mount (t: Test) {
  const complaints = t.capture(console, 'error')
  const container = document.createElement('div')
  const root: Root = createRoot(container)
  let mounted = true
  const unmount = async () => {
    if (!mounted) return
    mounted = false
    await settle(() => root.unmount())
    const [complaint] = complaints()
    if (complaint !== undefined) throw new Error(`React complained: ${complaint.args.join(' ')}`)
  }
  t.teardown(unmount)
  return {
    container,
    unmount,
    render: (node: ReactNode) => settle(() => root.render(node)),
    strict: (node: ReactNode) => settle(() => root.render(createElement(StrictMode, null, node))),
    text: () => container.textContent
  }
}

/** A socket without a network: the test plays the server. */
export class FakeSocket {
  binaryType = 'blob'
  bufferedAmount = 0
  protocol = ''
  readyState = 0
  onopen: ((event: any) => void) | null = null
  onmessage: ((event: any) => void) | null = null
  onerror: ((event: any) => void) | null = null
  onclose: ((event: any) => void) | null = null
  readonly url: string
  readonly offered: string[]
  readonly sent: any[] = []
  /** What the client closed with. */
  closed: [code: number | undefined, reason: string | undefined] | undefined

  constructor (url: string, offered: string[] = []) {
    this.url = url
    this.offered = offered
  }

  send (data: string): void {
    this.sent.push(JSON.parse(data))
  }

  close (code?: number, reason?: string): void {
    this.closed ??= [code, reason]
    this.readyState = 2
  }

  /** The 101. */
  accept (): void {
    this.readyState = 1
    this.protocol = this.offered[0] ?? ''
    this.onopen?.({})
  }

  receive (message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) })
  }

  /** Lets the client pass both doors. */
  admit (id = 'alice'): void {
    this.accept()
    this.receive({ type: 'auth_ok', user: { id }, expiresAt: Date.now() + 3_600_000 })
  }

  end (code: number, reason = ''): void {
    this.readyState = 3
    this.onclose?.({ code, reason, wasClean: true })
  }
}

/** A server without a network, and the options of a client for it. */
export function fake () {
  const sockets: FakeSocket[] = []
  let tickets = 0
  const options: AirlockSocketOptions<any, any> = {
    url: 'ws://server/ws',
    WebSocket: class extends FakeSocket {
      constructor (url: string, offered?: string[]) {
        super(url, offered)
        sockets.push(this)
      }
    },
    getTicket: () => `ticket-${++tickets}`,
    getToken: () => 'jwt'
  }
  return {
    options,
    sockets,
    tickets: () => tickets,
    /** The newest socket. */
    get socket (): FakeSocket { return sockets.at(-1)! }
  }
}

/** Collects errors that would be uncaught. */
export function uncaught (t: Test): unknown[] {
  const errors: unknown[] = []
  const { queueMicrotask } = globalThis
  globalThis.queueMicrotask = callback => queueMicrotask(() => {
    try {
      callback()
    } catch (error) {
      errors.push(error)
    }
  })
  t.teardown(() => { globalThis.queueMicrotask = queueMicrotask })
  return errors
}

/** Waits for a condition that no event announces. */
export async function eventually (condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 15_000; !condition(); await new Promise(resolve => setTimeout(resolve, 5))) {
    if (Date.now() > end) throw new Error(`never: ${condition}`)
  }
}
