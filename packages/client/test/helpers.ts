import type { Test } from 'tap'
import { connect, type Connection, type ConnectOptions, type Events } from '../src/index.js'

/** A string that looks like a JWT. */
export const jwt = (name: string): string => `eyJhbGciOiJub25lIn0.${name}.c2lnbmF0dXJl`

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
  readonly sent: unknown[] = []
  /** What `close` was called with. */
  closing: [code: number | undefined, reason: string | undefined] | undefined
  readonly url: string
  readonly protocols: string[]

  constructor (url: string, protocols: string[] = []) {
    this.url = url
    this.protocols = protocols
  }

  send (data: unknown): void {
    this.sent.push(data)
  }

  close (code?: number, reason?: string): void {
    this.readyState = 2
    this.closing ??= [code, reason]
  }

  /** The server answers 101. */
  accept (protocol = 'airlock.v1'): this {
    this.readyState = 1
    this.protocol = protocol
    this.onopen?.({})
    return this
  }

  say (message: unknown): this {
    this.onmessage?.({ data: JSON.stringify(message) })
    return this
  }

  /** The server answers 101 and `auth_ok`. */
  admit (expiresAt = 1_800_000_000_000): this {
    return this.accept().say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt })
  }

  /** The socket ends; without a code, as a browser shows a refused upgrade. */
  end (code = 1006, reason = ''): this {
    this.readyState = 3
    if (code === 1006) this.onerror?.({})
    this.onclose?.({ code, reason })
    return this
  }
}

/** A constructor of fake sockets, and the sockets that it has created. */
export function fakes () {
  const all: FakeSocket[] = []
  let taken = 0
  let wake = (): void => {}
  class WebSocket extends FakeSocket {
    constructor (url: string, protocols?: string[]) {
      super(url, protocols)
      all.push(this)
      wake()
    }
  }
  return {
    WebSocket,
    all,
    /** The next socket that was not taken yet, once its listeners are set. */
    async next (): Promise<FakeSocket> {
      while (all.length <= taken) await new Promise<void>(resolve => { wake = resolve })
      await Promise.resolve()
      return all[taken++] as FakeSocket
    }
  }
}

export type Seen = Array<{ [Name in keyof Events<any>]: [name: Name, event: Events<any>[Name]] }[keyof Events<any>]>

/** Collects every event, in order. */
export function watch (connection: Connection<any, any>): Seen {
  const seen: Seen = []
  const names = ['status', 'open', 'message', 'expiring', 'refreshed', 'close', 'waiting', 'error'] as const
  for (const name of names) connection.on(name, event => { seen.push([name, event] as Seen[number]) })
  return seen
}

/** Resolves with the next event of that name. */
export function until<Name extends keyof Events<any>> (connection: Connection<any, any>, name: Name): Promise<Events<any>[Name]> {
  return new Promise(resolve => {
    const stop = connection.on(name, event => {
      stop()
      resolve(event)
    })
  })
}

/** A connection over fake sockets. It waits for half of 4, 8, 16 ms ... between attempts. */
export function build (t: Test, options: Partial<ConnectOptions<any, any>> = {}) {
  const sockets = fakes()
  let tickets = 0
  const connection = connect<any, any>({
    url: 'ws://server.test/ws',
    getTicket: () => `ticket-${tickets++}`,
    getToken: () => jwt('alice'),
    reconnect: { min: 4, max: 1000 },
    random: () => 0.5,
    WebSocket: sockets.WebSocket,
    ...options
  })
  t.teardown(() => { connection.close() })
  return { connection, sockets, seen: watch(connection), tickets: () => tickets }
}

/** Like {@link build}, but open. */
export async function open (t: Test, options: Partial<ConnectOptions<any, any>> = {}) {
  const built = build(t, options)
  const socket = (await built.sockets.next()).admit()
  return { ...built, socket }
}

/** Replaces the clock of `performance` by one that stands still until it is put forward. */
export function clock (t: Test): { ahead: number } {
  // Whole, so that differences are exact.
  const start = Math.floor(performance.now())
  const set = { ahead: 0 }
  t.intercept(performance, 'now', { value: () => start + set.ahead })
  return set
}

/** A clock of which both `setTimeout` and `performance` are made, so that a day takes no time. */
export function virtual (t: Test) {
  let time = 0
  let id = 0
  const timers = new Map<number, { at: number, call: () => void }>()
  const { clearTimeout: clear } = globalThis
  t.intercept(performance, 'now', { value: () => time })
  t.intercept(globalThis, 'setTimeout', {
    value: (call: () => void, ms = 0) => {
      timers.set(++id, { at: time + ms, call })
      return id
    }
  })
  t.intercept(globalThis, 'clearTimeout', { value: (id: number) => { if (!timers.delete(id)) clear(id) } })
  return {
    now: () => time,
    /** Timers fire only at multiples of `grid`, as in a throttled tab. */
    pass (ms: number, grid = 1) {
      for (const end = time + ms; ;) {
        const next = Math.min(...[...timers.values()].map(({ at }) => Math.ceil(Math.max(at, time) / grid) * grid))
        if (next > end) {
          time = end
          return
        }
        time = next
        for (const [id, { at, call }] of [...timers]) {
          if (at > time || !timers.delete(id)) continue
          call()
        }
      }
    }
  }
}
