import type { AirlockWebSocketClass } from '../src/websocket.js'

/** What a row is run on. */
export interface Place {
  /** A class of sockets. */
  Class: AirlockWebSocketClass
  /** Of a server that echoes, and closes when it is told to. */
  url: string
  /** Creates a socket and waits until it is open. */
  open (protocols?: string[]): Promise<InstanceType<AirlockWebSocketClass>>
}

/** A statement of the WHATWG text on WebSockets, or of one that it refers to. */
export interface Row {
  says: string
  run (place: Place): unknown
  expected: unknown
  /** What `ws` and undici, whose sockets Node has, do otherwise. */
  except?: { ws?: unknown, undici?: unknown }
  /** Those that give no answer at all: undici 7 fires no `close`. */
  skip?: string[]
}

/** The name of what a function throws. */
function thrown (call: () => unknown): string {
  try {
    call()
    return 'nothing'
  } catch (error) {
    return (error as Error).name
  }
}

const nextEvent = (socket: EventTarget, type: string) => new Promise<any>(resolve => { socket.addEventListener(type, resolve, { once: true }) })

/** The events of a socket from now on, each with the state at that moment, until it is closed. */
async function history (socket: InstanceType<AirlockWebSocketClass>, act: () => void): Promise<unknown[]> {
  const seen: unknown[] = []
  for (const type of ['open', 'message', 'error', 'close'] as const) {
    socket.addEventListener(type, (event: Event) => {
      const { code, reason, wasClean } = event as unknown as { code?: number, reason?: string, wasClean?: boolean }
      seen.push(type === 'close' ? [type, socket.readyState, code, reason, wasClean] : [type, socket.readyState])
    })
  }
  act()
  seen.push(socket.readyState)
  if (socket.readyState !== socket.CLOSED) await nextEvent(socket, 'close')
  return seen
}

const construct = (...args: unknown[]) => ({ Class }: Place): string => thrown(() => {
  const socket = new (Class as any)(...args)
  socket.onerror = () => {}
  socket.close()
})

const close = (...args: unknown[]) => async ({ open }: Place): Promise<string> => {
  const socket = await open()
  const name = thrown(() => (socket.close as any)(...args))
  socket.close()
  return name
}

const sent = (data: unknown, binaryType?: string) => async ({ open }: Place): Promise<unknown> => {
  const socket = await open()
  socket.binaryType = (binaryType ?? 'arraybuffer') as 'blob'
  const message = nextEvent(socket, 'message');
  (socket.send as any)(data)
  const { data: got } = await message
  socket.close()
  if (typeof got === 'string') return got
  return [Object.prototype.toString.call(got).slice(8, -1), [...new Uint8Array(got instanceof Blob ? await got.arrayBuffer() : got)]]
}

const LONG = 'x'.repeat(123)

/** A member of an object, or of what it inherits from. */
function descriptor (object: object, name: string): PropertyDescriptor | undefined {
  const own = Object.getOwnPropertyDescriptor(object, name)
  const parent = Object.getPrototypeOf(object) as object | null
  return own ?? (parent ? descriptor(parent, name) : undefined)
}

/** The interface, point by point. */
export const rows: Row[] = [
  // The constructor.
  { says: 'the URL is required', run: construct(), expected: 'TypeError', except: { ws: 'SyntaxError' } },
  { says: 'it needs new', run: ({ Class }) => thrown(() => (Class as any)('ws://h')), expected: 'TypeError' },
  { says: 'a URL that cannot be parsed', run: construct('ws://'), expected: 'SyntaxError' },
  { says: 'a relative URL without a page', run: construct('/ws'), expected: 'SyntaxError' },
  { says: 'a symbol is no URL', run: construct(Symbol('url')), expected: 'TypeError' },
  { says: 'another scheme', run: construct('ftp://127.0.0.1:1'), expected: 'SyntaxError' },
  { says: 'a fragment', run: construct('ws://127.0.0.1:1/#f'), expected: 'SyntaxError' },
  { says: 'an empty fragment', run: construct('ws://127.0.0.1:1/#'), expected: 'SyntaxError', except: { ws: 'nothing' } },
  { says: 'http stands for ws', run: ({ Class, url }) => look(Class, url.replace('ws', 'http')).url.slice(0, 5), expected: 'ws://' },
  { says: 'a URL object', run: ({ Class, url }) => look(Class, new URL(url)).url === new URL(url).href, expected: true },
  { says: 'the URL is serialized', run: ({ Class, url }) => look(Class, `${url}/../a b?c=d`).url.endsWith('/a%20b?c=d'), expected: true },
  { says: 'no subprotocol', run: construct('ws://127.0.0.1:1', []), expected: 'nothing' },
  { says: 'an empty subprotocol', run: construct('ws://127.0.0.1:1', ''), expected: 'SyntaxError' },
  { says: 'a subprotocol that is not a token', run: construct('ws://127.0.0.1:1', 'a b'), expected: 'SyntaxError' },
  { says: 'a subprotocol with a separator', run: construct('ws://127.0.0.1:1', ['a', 'b,c']), expected: 'SyntaxError' },
  { says: 'a subprotocol with every character', run: construct('ws://127.0.0.1:1', "!#$%&'*+-.^_`|~0aZ"), expected: 'nothing' },
  { says: 'a subprotocol twice', run: construct('ws://127.0.0.1:1', ['a', 'b', 'a']), expected: 'SyntaxError' },
  { says: 'two that differ in case', run: construct('ws://127.0.0.1:1', ['a', 'A']), expected: 'nothing', except: { undici: 'SyntaxError' } },
  { says: 'null is the subprotocol "null"', run: construct('ws://127.0.0.1:1', null), expected: 'nothing', except: { ws: 'SyntaxError' } },
  { says: 'any iterable of subprotocols', run: construct('ws://127.0.0.1:1', new Set(['a'])), expected: 'nothing' },
  { says: 'an object that is none', run: construct('ws://127.0.0.1:1', { a: 1 }), expected: 'SyntaxError', except: { ws: 'nothing', undici: 'nothing' } },
  { says: 'an iterator that is null is none', run: construct('ws://127.0.0.1:1', { [Symbol.iterator]: null, toString: () => 'a' }), expected: 'nothing', except: { undici: 'TypeError' } },
  { says: 'a function may be iterable', run: construct('ws://127.0.0.1:1', Object.assign(() => {}, { * [Symbol.iterator] () { yield 'a' } })), expected: 'nothing', except: { ws: 'SyntaxError' } },
  { says: 'a symbol is no subprotocol', run: construct('ws://127.0.0.1:1', Symbol('a')), expected: 'TypeError', except: { ws: 'SyntaxError' } },
  // Conversion comes before any check (Web IDL, section 3.6).
  { says: 'subprotocols are converted before the URL is parsed', run: construct('ws://', [Symbol('a')]), expected: 'TypeError', except: { ws: 'SyntaxError' } },
  { says: 'the URL is parsed before subprotocols are checked', run: construct('ws://127.0.0.1:1/#f', ['a b']), expected: 'SyntaxError' },
  { says: 'the order of conversions', run: ({ Class, url }) => conversions(say => { look(Class, say('url', url), [say('first', 'a'), say('second', 'b')]) }), expected: ['url', 'first', 'second'], except: { ws: ['url', 'SyntaxError'], undici: ['first', 'second', 'url'] } },
  // Constants and tags.
  {
    says: 'the constants, on the class and on sockets',
    run: ({ Class, url }) => [Class, look(Class, url), Class.prototype].map(place => [place.CONNECTING, place.OPEN, place.CLOSING, place.CLOSED]),
    expected: [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]
  },
  {
    says: 'constants can be enumerated and not be changed',
    run: ({ Class }) => [Class, Class.prototype].map(place => descriptor(place, 'CLOSING')),
    expected: Array(2).fill({ value: 2, enumerable: true, writable: false, configurable: false })
  },
  { says: 'its name', run: ({ Class }) => [Class.name, descriptor(Class, 'name')], expected: ['WebSocket', { value: 'WebSocket', enumerable: false, writable: false, configurable: true }] },
  { says: 'its tag', run: ({ Class, url }) => String(look(Class, url)), expected: '[object WebSocket]', except: { ws: '[object Object]' } },
  { says: 'one argument is required', run: ({ Class }) => Class.length, expected: 1, except: { ws: 3 } },
  { says: 'close requires none, send one', run: ({ Class }) => [Class.prototype.close.length, Class.prototype.send.length], expected: [0, 1], except: { ws: [2, 3] } },
  {
    says: 'members can be enumerated',
    run: ({ Class }) => ['url', 'readyState', 'bufferedAmount', 'onopen', 'onerror', 'onclose', 'onmessage', 'extensions', 'protocol', 'close', 'binaryType', 'send'].filter(name => !descriptor(Class.prototype, name)?.enumerable),
    expected: [],
    except: { ws: ['close', 'send'] }
  },
  {
    says: 'what can only be read',
    run ({ Class, url }) {
      const socket = look(Class, url)
      return ['url', 'readyState', 'bufferedAmount', 'extensions', 'protocol'].map(name => thrown(() => { (socket as any)[name] = 1 }))
    },
    expected: Array(5).fill('TypeError')
  },
  // Connecting.
  {
    says: 'the state of a new socket',
    run ({ Class, url }) {
      const { readyState, bufferedAmount, extensions, protocol, binaryType, onopen, onmessage, onerror, onclose } = look(Class, url)
      return [readyState, bufferedAmount, extensions, protocol, binaryType, onopen, onmessage, onerror, onclose]
    },
    expected: [0, 0, '', '', 'blob', null, null, null, null],
    except: { ws: [0, 0, '', '', 'nodebuffer', null, null, null, null] }
  },
  { says: 'send before open', run: ({ Class, url }) => thrown(() => look(Class, url).send('x')), expected: 'InvalidStateError', except: { ws: 'Error' } },
  { says: 'send without an argument', run: async ({ open }) => thrownOnOpen(await open()), expected: 'TypeError', except: { ws: 'nothing' } },
  {
    says: 'close before open',
    run: async ({ Class, url }) => await closedEarly(Class, url),
    expected: [2, ['error', 3], ['close', 3, 1006, '', false]],
    except: { ws: [2, ['error', 2], ['close', 3, 1006, '', false]] },
    skip: ['undici']
  },
  { says: 'close before open checks its arguments too', run: ({ Class, url }) => thrown(() => { look(Class, url).close(1001) }), expected: 'InvalidAccessError', except: { ws: 'nothing' } },
  // Open.
  {
    says: 'what is selected of the subprotocols',
    async run ({ open }) {
      const socket = await open(['airlock.v1'])
      socket.close()
      return [socket.readyState, socket.protocol]
    },
    expected: [2, 'airlock.v1']
  },
  { says: 'text', run: sent('grüß'), expected: 'grüß' },
  { says: 'an empty text', run: sent(''), expected: '' },
  { says: 'a number is text', run: sent(42), expected: '42' },
  { says: 'null is text', run: sent(null), expected: 'null', except: { ws: ['ArrayBuffer', []] } },
  { says: 'an object is text', run: sent({ toString: () => 'object' }), expected: 'object', except: { ws: 'TypeError' } },
  { says: 'an ArrayBuffer', run: sent(new Uint8Array([1, 2]).buffer), expected: ['ArrayBuffer', [1, 2]] },
  { says: 'a part of a buffer', run: sent(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)), expected: ['ArrayBuffer', [2, 3]] },
  { says: 'a DataView', run: sent(new DataView(new Uint8Array([1, 2, 3]).buffer, 1)), expected: ['ArrayBuffer', [2, 3]] },
  { says: 'a Blob', run: sent(new Blob([new Uint8Array([5, 6])])), expected: ['ArrayBuffer', [5, 6]] },
  { says: 'binary data as a Blob', run: sent(new Uint8Array([7]), 'blob'), expected: ['Blob', [7]] },
  { says: 'another binaryType changes nothing', run: sent(new Uint8Array([8]), 'text'), expected: ['Blob', [8]], except: { ws: ['Uint8Array', [8]] } },
  {
    says: 'a message event',
    async run ({ open, url }) {
      const socket = await open()
      const message = nextEvent(socket, 'message')
      socket.send('x')
      const { type, data, origin, lastEventId, source, ports, target } = await message
      socket.close()
      return [type, data, origin === new URL(url).origin, lastEventId, source, ports?.length, target === socket]
    },
    expected: ['message', 'x', true, '', null, 0, true],
    except: { ws: ['message', 'x', false, undefined, undefined, undefined, true] }
  },
  {
    says: 'binaryType is converted to a string',
    run ({ Class, url }) {
      const socket = look(Class, url)
      socket.binaryType = { toString: () => 'arraybuffer' } as never
      return [thrown(() => { socket.binaryType = Symbol('blob') as never }), socket.binaryType]
    },
    expected: ['TypeError', 'arraybuffer'],
    except: { ws: ['nothing', 'nodebuffer'], undici: ['nothing', 'blob'] }
  },
  // Handlers.
  {
    says: 'a handler keeps its place when it is replaced, and loses it when it is removed',
    async run ({ open }) {
      const socket = await open()
      const calls: string[] = []
      const once = (name: string) => () => { calls.push(name) }
      socket.onmessage = once('first')
      socket.addEventListener('message', once('listener'))
      socket.onmessage = once('second')
      const both = nextEvent(socket, 'message')
      socket.send('x')
      await both
      socket.onmessage = null
      socket.onmessage = once('third')
      const again = nextEvent(socket, 'message')
      socket.send('x')
      await again
      await new Promise(resolve => { setTimeout(resolve) })
      socket.close()
      return calls
    },
    expected: ['second', 'listener', 'listener', 'third'],
    except: { ws: ['listener', 'second', 'listener', 'third'], undici: ['listener', 'second', 'listener', 'third'] }
  },
  {
    says: 'what may be a handler',
    run ({ Class, url }) {
      const socket = look(Class, url)
      const handler = (): void => {}
      return [handler, {}, 1, 'text', undefined].map(value => {
        socket.onopen = value as never
        return socket.onopen === value ? 'kept' : socket.onopen
      })
    },
    expected: ['kept', 'kept', null, null, null],
    except: { ws: ['kept', null, null, null, null] }
  },
  {
    says: 'the handler is called on the socket',
    async run ({ open }) {
      const socket = await open()
      const self = new Promise(resolve => { socket.onmessage = function (this: unknown) { resolve(this) } })
      socket.send('x')
      const same = await self === socket
      socket.close()
      return same
    },
    expected: true
  },
  {
    says: 'an object with handleEvent, and once',
    async run ({ open }) {
      const socket = await open()
      const calls: string[] = []
      socket.addEventListener('message', { handleEvent: () => { calls.push('object') } })
      socket.addEventListener('message', () => { calls.push('once') }, { once: true })
      for (let n = 0; n < 2; n++) {
        const message = nextEvent(socket, 'message')
        socket.send('x')
        await message
      }
      socket.close()
      return calls
    },
    expected: ['object', 'once', 'object']
  },
  // Closing.
  ...[
    [[], 'nothing'], [[1000], 'nothing'], [['1000'], 'nothing', 'TypeError'], [[3000], 'nothing'], [[4999], 'nothing'], [[999.6], 'nothing', 'TypeError'], [[3000.5, 'even'], 'nothing'],
    [[undefined, 'x'], 'nothing'], [[1000, LONG], 'nothing'], [[1000, null], 'nothing', 'TypeError'], [[0], 'InvalidAccessError', 'TypeError'], [[null], 'InvalidAccessError', 'TypeError'], [[NaN], 'InvalidAccessError', 'TypeError'],
    [[999], 'InvalidAccessError', 'TypeError'], [[1001], 'InvalidAccessError', 'nothing'], [[1005], 'InvalidAccessError', 'TypeError'], [[2999], 'InvalidAccessError', 'TypeError'], [[5000], 'InvalidAccessError', 'TypeError'],
    [[-1], 'InvalidAccessError', 'TypeError'], [[70_000], 'InvalidAccessError', 'TypeError'], [[65_536 + 1000], 'InvalidAccessError', 'TypeError'],
    [[1000, `${LONG}x`], 'SyntaxError', 'RangeError'], [[1000, 'ü'.repeat(62)], 'SyntaxError', 'RangeError'], [[undefined, `${LONG}x`], 'SyntaxError', 'nothing'], [[1000, Symbol('reason')], 'TypeError', 'nothing'],
    [[1000n], 'TypeError', 'TypeError', 'nothing'], [[Symbol('code')], 'TypeError', 'TypeError'], [[Object(1000)], 'nothing', 'TypeError'], [[''], 'InvalidAccessError', 'TypeError'],
    // Conversion comes before any check.
    [[1001, Symbol('reason')], 'TypeError', 'nothing'], [[1001, LONG + LONG], 'InvalidAccessError', 'RangeError'], [[1000n, LONG + LONG], 'TypeError', 'TypeError', 'SyntaxError']
  ].map(([args, expected, ws, undici]): Row => ({
    says: `close(${(args as unknown[]).map(value => typeof value === 'string' ? value.slice(0, 5) : String(value)).join(', ')})`,
    run: close(...args as unknown[]),
    expected,
    ...(ws !== undefined && { except: { ws, ...(undici !== undefined && { undici }) } })
  })),
  {
    says: 'the order of conversions in close',
    async run ({ open }) {
      const socket = await open()
      const order = conversions(say => { (socket.close as any)(say('code', 1001), say('reason', LONG + LONG)) })
      socket.close()
      return order
    },
    expected: ['code', 'reason', 'InvalidAccessError'],
    except: { ws: ['TypeError'] }
  },
  {
    says: 'close without a code',
    run: async ({ open }) => { const socket = await open(); return await history(socket, () => { socket.close() }) },
    expected: [2, ['close', 3, 1005, '', true]]
  },
  {
    says: 'close with a code and a reason',
    run: async ({ open }) => { const socket = await open(); return await history(socket, () => { socket.close(4321, 'bye') }) },
    expected: [2, ['close', 3, 4321, 'bye', true]]
  },
  {
    says: 'close with a reason alone',
    run: async ({ open }) => { const socket = await open(); return await history(socket, () => { socket.close(undefined, 'bye') }) },
    expected: [2, ['close', 3, 1000, 'bye', true]],
    except: { ws: [2, ['close', 3, 1005, '', true]] }
  },
  {
    says: 'the first close counts',
    run: async ({ open }) => { const socket = await open(); return await history(socket, () => { socket.close(4001, 'a'); socket.close(4002, 'b') }) },
    expected: [2, ['close', 3, 4001, 'a', true]]
  },
  {
    says: 'a message that arrives after close is not heard',
    run: async ({ open }) => { const socket = await open(); return await history(socket, () => { socket.send('x'); socket.close(4001) }) },
    expected: [2, ['close', 3, 4001, '', true]],
    except: { ws: [2, ['message', 2], ['close', 3, 4001, '', true]] }
  },
  {
    says: 'both close at once: what was received counts',
    run: async ({ open }) => { const socket = await open(); return await history(socket, () => { socket.send('close 4100 told'); socket.close(4001) }) },
    expected: [2, ['close', 3, 4100, 'told', true]]
  },
  {
    says: 'send while it closes counts as not sent',
    async run ({ open }) {
      const socket = await open()
      socket.close()
      const before = socket.bufferedAmount
      const name = thrown(() => { socket.send('grün') })
      await nextEvent(socket, 'close')
      socket.send(new Uint8Array(3))
      return [name, socket.bufferedAmount - before]
    },
    expected: ['nothing', 8],
    except: { undici: ['nothing', 0] }
  },
  {
    says: 'the server closes',
    run: async ({ open }) => { const socket = await open(); return await history(socket, () => { socket.send('close 4100 told') }) },
    expected: [1, ['close', 3, 4100, 'told', true]]
  },
  // RFC 6455, section 7.2.1, says that a lost connection fails, which would fire `error` too. Browsers and `ws` do not, and libraries rely on it.
  ...['cut', 'reset'].map((how): Row => ({
    says: `the connection is lost: ${how}`,
    run: async ({ open }) => { const socket = await open(); return await history(socket, () => { socket.send(how) }) },
    expected: [1, ['close', 3, 1006, '', false]],
    skip: ['undici']
  })),
  {
    says: 'the connection is lost while it closes',
    run: async ({ open }) => { const socket = await open(); return await history(socket, () => { socket.send('reset'); socket.close(4001) }) },
    expected: [2, ['close', 3, 1006, '', false]],
    skip: ['undici']
  },
  {
    says: 'close after the end does nothing',
    async run ({ open }) {
      const socket = await open()
      await history(socket, () => { socket.send('close 4100 told') })
      return [thrown(() => { socket.close(4001) }), socket.readyState]
    },
    expected: ['nothing', 3]
  }
]

/** A socket that is looked at while it connects, and then given up. */
function look (Class: AirlockWebSocketClass, url: unknown, ...protocols: unknown[]): InstanceType<AirlockWebSocketClass> {
  const socket = new (Class as any)(url, ...protocols)
  socket.addEventListener('error', () => {})
  queueMicrotask(() => { socket.close() })
  return socket
}

/** The arguments in the order in which a call converts them, and the name of what it throws. */
function conversions (call: (say: (name: string, value: unknown) => unknown) => void): string[] {
  const order: string[] = []
  const name = thrown(() => {
    call((name, value) => ({
      [Symbol.toPrimitive] () {
        order.push(name)
        return value
      }
    }))
  })
  return name === 'nothing' ? order : [...order, name]
}

function thrownOnOpen (socket: InstanceType<AirlockWebSocketClass>): string {
  const name = thrown(() => (socket.send as any)())
  socket.close()
  return name
}

async function closedEarly (Class: AirlockWebSocketClass, url: string): Promise<unknown[]> {
  const socket = new Class(url)
  return await history(socket, () => { socket.close() })
}
