import { usesPublicWay } from '@fastify-airlock/core'
import t, { type Test } from 'tap'
import { deflateRawSync } from 'node:zlib'
import { build, clientOf, connect, deferred, eventually, type Setup } from './helpers.js'

/** Without the private parts of ws, a message is looked at when it is complete. */
const skip = usesPublicWay()

const TEXT = 1
const BINARY = 2
const REST = 0

interface Options { opcode?: number, fin?: boolean, compressed?: boolean, length?: number }

/** A frame of a client, masked with a key that changes nothing. It may say another length than it has. */
function frame (payload: string | Buffer, { opcode = TEXT, fin = true, compressed = false, length }: Options = {}): Buffer {
  const data = Buffer.from(payload as string)
  const size = length ?? data.length
  const first = (fin ? 0x80 : 0) | (compressed ? 0x40 : 0) | opcode
  const head = size < 126 ? Buffer.from([first, 0x80 | size]) : size < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10)
  if (size >= 126) head.set([first, size < 65_536 ? 0xfe : 0xff])
  if (head.length === 4) head.writeUInt16BE(size, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2)
  return Buffer.concat([head, Buffer.alloc(4), data])
}

const ping = frame('are you there?', { opcode: 9 })

/** A message in parts of `size` bytes each, with something between them. */
function parts (payload: Buffer, size: number, { opcode = TEXT, last = true, between = Buffer.alloc(0) as Buffer } = {}): Buffer[] {
  const count = Math.ceil(payload.length / size)
  return Array.from({ length: count }, (_, index) => {
    const part = payload.subarray(index * size, (index + 1) * size)
    return Buffer.concat([frame(part, { opcode: index === 0 ? opcode : REST, fin: last && index === count - 1 }), between])
  })
}

/** Compresses the parts of one message (RFC 7692, section 7.2.1). */
function deflated (payload: Buffer, count = 1, { opcode = TEXT, last = true } = {}): Buffer[] {
  const data = deflateRawSync(payload, { finishFlush: 2 }).subarray(0, -4)
  const size = Math.ceil(data.length / count)
  return Array.from({ length: count }, (_, index) => frame(data.subarray(index * size, (index + 1) * size), {
    opcode: index === 0 ? opcode : REST, fin: last && index === count - 1, compressed: index === 0
  }))
}

/** Connects, offers compression if the server is to take it, and returns what writes bytes past ws. */
async function open (t: Test, port: number) {
  const client = connect(t, port)
  await client.opened()
  const { _socket: tcp } = client.socket as unknown as { _socket: { write (bytes: Buffer): boolean } }
  return { ...client, write: (...chunks: Buffer[]) => { for (const chunk of chunks) tcp.write(chunk) } }
}

const compressing: Setup['prepare'] = app => { app.websocketServer.options.perMessageDeflate = true }

const MAX = 1_000
const bytes = (size: number): Buffer => Buffer.alloc(size, 'x')
const noise = (size: number): Buffer => Buffer.from(Array.from({ length: size }, (_, index) => index * 7919 % 89 + 33))

/** First messages that are too long, none of them complete. */
const TOO_LONG: Array<[string, () => Buffer[]]> = ([[TEXT, 'text'], [BINARY, 'binary']] as const).flatMap(([opcode, form]) => [
  [`${form}, one byte too long`, () => [frame('', { opcode, length: MAX + 1 })]],
  [`${form}, half of 64 KiB`, () => [frame(bytes(32_768), { opcode, length: 65_536 })]],
  [`${form}, longer than the server's maxPayload`, () => [frame(bytes(100), { opcode, length: 65_537 })]],
  [`${form}, longer than any number`, () => [Buffer.concat([Buffer.from([0x80 | opcode, 0xff]), Buffer.alloc(8, 0xff), Buffer.alloc(4)])]],
  [`${form}, behind pings`, () => [ping, ping, frame(bytes(1), { opcode, length: MAX + 1 })]],
  [`${form}, in two parts`, () => parts(bytes(MAX + 1), MAX, { opcode, last: false })],
  [`${form}, in two parts and complete`, () => parts(bytes(MAX + 1), MAX, { opcode })],
  [`${form}, in parts of one byte`, () => parts(bytes(MAX + 1), 1, { opcode, last: false })],
  [`${form}, in parts with pings between`, () => parts(bytes(MAX + 1), 100, { opcode, last: false, between: ping })],
  [`${form}, in a short part and a long one that has not come`, () => [frame(bytes(1), { opcode, fin: false }), frame('', { opcode: REST, length: MAX })]],
  [`${form}, in a short part, a ping, and a long one of 2 ** 52`, () => [frame(bytes(1), { opcode, fin: false }), ping, frame('', { opcode: REST, length: 2 ** 52 })]],
  [`${form}, in more parts than ws takes`, () => [frame('', { opcode, fin: false }), Buffer.concat(Array.from({ length: 17_000 }, () => frame('', { opcode: REST, fin: false })))]]
] as Array<[string, () => Buffer[]]>)

const INFLATED: Array<[string, () => Buffer[]]> = ([[TEXT, 'text'], [BINARY, 'binary']] as const).flatMap(([opcode, form]) => [
  [`${form}, inflated to one byte too many`, () => deflated(bytes(MAX + 1), 1, { opcode })],
  [`${form}, a bomb`, () => deflated(bytes(400_000), 1, { opcode })],
  [`${form}, a bomb in parts, not complete`, () => deflated(bytes(400_000), 5, { opcode, last: false })],
  [`${form}, in parts of which the second is too much`, () => deflated(noise(MAX * 2), 4, { opcode, last: false })],
  [`${form}, compressed longer than allowed`, () => [frame(bytes(1), { opcode, compressed: true, length: MAX + 1 })]]
] as Array<[string, () => Buffer[]]>)

for (const [kind, members, prepare] of [['as it is', TOO_LONG, () => {}], ['compressed', INFLATED, compressing]] as const) {
  t.test(`a first message that grows too long is answered with 4400 before it is complete, ${kind}`, { skip }, async t => {
    const { port, lines } = await build(t, { options: { maxAuthBytes: MAX, authTimeout: 600_000 }, prepare })
    for (const [name, chunks] of members) {
      // In one piece, and byte for byte or nearly.
      for (const whole of [true, false]) {
        const client = await open(t, port)
        const all = Buffer.concat(chunks())
        if (whole) client.write(all)
        else for (let at = 0; at < all.length; at += Math.ceil(all.length / 40)) client.write(all.subarray(at, at + Math.ceil(all.length / 40)))
        t.match(await client.next(), { type: 'auth_error', code: 4400, reason: 'auth message expected' }, name)
        t.strictSame(await client.closed, [4400, 'auth message expected'], name)
      }
    }
    t.same(lines.map(line => JSON.parse(line)).filter(({ level, msg }) => level > 30 || /malformed/.test(msg)), [], 'nothing else is said of it')
  })
}

t.test('an auth that is long enough gets in, in whatever parts', async t => {
  const { port, sign, lines } = await build(t, { prepare: compressing })
  const auth = (): Buffer => Buffer.from(JSON.stringify({ type: 'auth', token: sign({ pad: noise(1_000).toString('base64url') }), more: 'x'.repeat(5_000) }))
  const ways: Array<[string, (payload: Buffer) => Buffer[]]> = [
    ['one frame', payload => [frame(payload)]],
    ['two parts', payload => parts(payload, 4_000)],
    ['parts of one byte', payload => parts(payload, 1)],
    // ws answers 60 pings at once.
    ['parts with pings between', payload => parts(payload, 300, { between: ping })],
    ['empty parts between', payload => [frame('', { fin: false }), frame('', { opcode: REST, fin: false }), ...parts(payload, 2_000, { opcode: REST })]],
    ['compressed', payload => deflated(payload)],
    ['compressed in parts', payload => deflated(payload, 50)],
    ['behind 64 KiB of pings', payload => [Buffer.concat([...Array.from({ length: 3_000 }, () => frame('', { opcode: 10 })), frame(payload)])]]
  ]
  for (const [name, chunks] of ways) {
    for (const step of [Infinity, 1_000, 61]) {
      const client = await open(t, port)
      const all = Buffer.concat(chunks(auth()))
      for (let at = 0; at < all.length; at += step) client.write(all.subarray(at, Math.min(at + step, all.length)))
      // Answers to pings come in between.
      t.match(await client.next(), { type: 'auth_ok' }, `${name}, ${step} bytes at a time`)
      client.write(...parts(bytes(65_000), 1_000))
      t.equal(String(await client.next()).length, 65_000, 'what follows may be as long as the server allows')
      client.write(frame('', { length: 65_537 }))
      await client.closed
      t.match(lines.join(''), /WS_ERR_UNSUPPORTED_MESSAGE_LENGTH/, 'and ws ends what is longer')
      lines.length = 0
    }
  }
})

t.test('while the token is checked, what is not complete counts as well', { skip }, async t => {
  const ways: Array<[string, number, () => Buffer[]]> = [
    ['a head that says too much', 4413, () => [frame('', { length: 101 })]],
    ['a head that says too much behind another', 4413, () => [frame(bytes(60)), frame(bytes(1), { length: 41 })]],
    ['parts', 4413, () => parts(bytes(101), 10, { last: false })],
    ['parts behind another', 4413, () => [frame(bytes(100)), frame('x', { fin: false })]],
    ['a part behind as many frames as may wait', 4413, () => [frame(''), frame(''), frame(''), frame('x', { fin: false })]],
    ['binary in parts', 4413, () => parts(bytes(101), 10, { opcode: BINARY, last: false })],
    ['compressed', 4413, () => deflated(bytes(101))],
    ['compressed parts', 4413, () => deflated(noise(300), 3, { last: false })]
  ]
  const { port, sign } = await build(t, {
    options: { maxEarlyFrames: 3, maxEarlyBytes: 100, isRevoked: async () => await new Promise(() => {}), authTimeout: 600_000 }, prepare: compressing
  })
  for (const [name, code, chunks] of ways) {
    const client = await open(t, port)
    client.write(Buffer.concat([frame(JSON.stringify({ type: 'auth', token: sign() })), ...chunks()]))
    t.match(await client.next(), { type: 'auth_error', code }, name)
    t.strictSame(await client.closed, [code, 'early frame queue full'], name)
  }
})

t.test('a message that no client may send at any time is left to ws while the token is checked, too', { skip }, async t => {
  const { port, sign, lines } = await build(t, { options: { maxEarlyBytes: 200_000, isRevoked: async () => await new Promise(() => {}), authTimeout: 600_000 } })
  const client = await open(t, port)
  client.write(frame(JSON.stringify({ type: 'auth', token: sign() })), frame('', { length: 65_537 }))
  await client.closed
  t.match(lines.filter(line => line.includes('malformed')), [/WS_ERR_UNSUPPORTED_MESSAGE_LENGTH/])
  t.notMatch(lines.join(''), /queue full/)
})

t.test('early frames that fit come, complete or in parts that are completed later', async t => {
  const answer = deferred<boolean>()
  const { port, sign } = await build(t, { options: { maxEarlyFrames: 2, maxEarlyBytes: 100, isRevoked: async () => await answer.promise } })
  const client = await open(t, port)
  client.write(frame(JSON.stringify({ type: 'auth', token: sign() })), frame(bytes(40)), ...parts(bytes(60), 7, { last: false }))
  client.socket.ping()
  await new Promise(resolve => client.socket.once('pong', resolve))
  answer.resolve(false)
  t.match(await client.next(), { type: 'auth_ok' })
  client.write(...parts(bytes(30_000), 1_000, { opcode: REST }))
  t.equal(String(await client.next()).length, 40)
  t.equal(String(await client.next()).length, 30_060)
})

t.test('while the handler does not listen, a message that is longer than may wait stays in the network', { skip }, async t => {
  for (const [name, all, expected] of [
    ['in parts', Buffer.concat(parts(bytes(60_000), 500)), [60_000]],
    ['in one frame', frame(bytes(60_000)), [60_000]],
    ['behind others', Buffer.concat([frame(bytes(600)), ...parts(bytes(60_000), 500)]), [600, 60_000]]
  ] as const) {
    const called = deferred()
    const listen = deferred()
    const got: number[] = []
    let socket = {} as { readonly isPaused: boolean }
    const { port, sign } = await build(t, {
      options: { maxEarlyBytes: 1_000 },
      handler: async opened => {
        socket = opened
        called.resolve()
        await listen.promise
        opened.on('message', data => { got.push((data as Buffer).length) })
      }
    })
    const client = await open(t, port)
    client.write(frame(JSON.stringify({ type: 'auth', token: sign() })))
    await called.promise
    client.write(all.subarray(0, 2_000))
    await eventually(() => socket.isPaused)
    t.ok(socket.isPaused, name)
    client.write(all.subarray(2_000))
    listen.resolve()
    await eventually(() => got.length === expected.length)
    t.same(got, expected)
    t.notOk(socket.isPaused)
    client.socket.close(1000)
    t.equal((await client.closed)[0], 1000)
  }
})

t.test('a socket that was not read any more is closed as any other', { skip }, async t => {
  const called = deferred()
  const fail = deferred()
  let paused = (): boolean => false
  const { port, sign } = await build(t, {
    options: { maxEarlyBytes: 1_000 },
    handler: async socket => {
      paused = () => socket.isPaused
      called.resolve()
      await fail.promise
      throw new Error('no')
    }
  })
  const client = await open(t, port)
  client.write(frame(JSON.stringify({ type: 'auth', token: sign() })))
  await called.promise
  client.write(...parts(bytes(1_200), 100, { last: false }))
  await eventually(paused)
  t.ok(paused())
  fail.resolve()
  t.match(await client.next(), { type: 'auth_ok' })
  t.match(await client.next(), { type: 'auth_error', code: 4500 })
  t.equal((await client.closed)[0], 4500)
})

t.test('a handler that listens is not held up', async t => {
  const { port, sign } = await build(t, {
    options: { maxEarlyBytes: 1_000 },
    handler: async socket => {
      socket.on('message', data => { socket.send(String((data as Buffer).length)) })
      await new Promise(() => {})
    }
  })
  const client = await open(t, port)
  client.write(frame(JSON.stringify({ type: 'auth', token: sign() })))
  t.match(await client.next(), { type: 'auth_ok' })
  client.write(...parts(bytes(60_000), 900))
  t.equal(await client.next(), '60000')
})

t.test('a client that was refused is held to the same, until it is gone', { skip }, async t => {
  const { port } = await build(t)
  const client = await open(t, port)
  client.write(frame('no auth'), frame('', { length: 20_000 }))
  t.match(await client.next(), { type: 'auth_error', code: 4400 })
  t.strictSame(await client.closed, [4400, 'auth message expected'])
})

t.test('an open connection keeps nothing of it', { skip }, async t => {
  let receiver: object = {}
  const { port, sign } = await build(t, {
    handler: socket => { receiver = (socket as unknown as { _receiver: object })._receiver }
  })
  const client = clientOf(connect(t, port).socket)
  await client.auth(sign())
  t.notOk(Object.hasOwn(receiver, 'startLoop'))
  t.equal((receiver as { _maxPayload: number })._maxPayload, 65_536)
  t.same(Object.getOwnPropertySymbols(receiver).filter(({ description }) => description?.startsWith('airlock')), [])
})

t.test('while the handler does not listen, a message longer than the server allows is left to ws', async t => {
  const { port, sign, lines } = await build(t, { handler: async () => { await new Promise(() => {}) } })
  const client = await open(t, port)
  client.write(frame(JSON.stringify({ type: 'auth', token: sign() })))
  t.match(await client.next(), { type: 'auth_ok' })
  client.write(frame('', { length: 65_537 }))
  await client.closed
  t.match(lines.filter(line => line.includes('malformed')), [/WS_ERR_UNSUPPORTED_MESSAGE_LENGTH/])
})

t.test('a server without a limit of its own', { skip }, async t => {
  const { port, sign } = await build(t, { prepare: app => { app.websocketServer.options.maxPayload = 0 } })
  const refused = await open(t, port)
  refused.write(frame('', { length: 2 ** 40 }))
  t.equal((await refused.closed)[0], 4400)
  const client = await open(t, port)
  client.write(frame(JSON.stringify({ type: 'auth', token: sign() })))
  t.match(await client.next(), { type: 'auth_ok' })
  client.socket.send(bytes(200_000))
  t.equal((await client.next()).length, 200_000)
})
