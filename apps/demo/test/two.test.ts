import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { enter, http, login, pass } from './helpers.js'
import { until } from './nodes.js'
import { start, TWO, untilLogged } from './process.js'

/** Whether there is a Redis to start. Of this one's, the tests need no more. */
async function hasRedis (t: Test): Promise<boolean> {
  const redis = requireServer(t, await startRedis())
  await redis?.stop()
  return redis !== null
}

/** One node, as that starts it. */
const NODE = fileURLToPath(new URL('../two/node.ts', import.meta.url))

/** Two nodes behind one address, as `npm run start:two` starts them. */
async function startTwo (t: Test, environment: NodeJS.ProcessEnv = {}) {
  const two = start(t, environment, { script: TWO })
  const origin = await untilLogged(two.server, two.output, /Open (http:\S+) in a browser/)
  const nodes = [...two.output.text.matchAll(/node (\w+) (http:\S+) \(process (\d+)\)/g)].map(([, name, origin, pid]) =>
    ({ name: name as string, origin: origin as string, pid: Number(pid) }))
  return { ...two, origin, nodes }
}

/** Nobody listens there any more. */
async function isClosed (url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  const socket = net.connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
    return false
  } catch {
    return true
  } finally {
    socket.destroy()
  }
}

t.test('two nodes and a Redis behind one address: presence and broadcasts over both, a node that dies, and the end of all', async t => {
  if (!await hasRedis(t)) return
  const { server, output, ended, origin, nodes } = await startTwo(t, { LOG_LEVEL: 'info' })
  const [one, two] = nodes as [typeof nodes[number], typeof nodes[number]]
  t.same(nodes.map(({ name }) => name), ['one', 'two'])
  const redis = /redis (redis:\S+)/.exec(output.text)?.[1] as string
  const authority = /stand-in at (http:\S+)/.exec(output.text)?.[1] as string
  for (const text of ['alice/wonderland (user)', `kill -9 ${two.pid}`, 'Ctrl-C', 'the upstream is a stand-in']) t.ok(output.text.includes(text), text)

  for (const { name } of nodes) await untilLogged(server, output, new RegExp(`("msg":"Server listening.*"node":"${name}")`))
  t.pass('each line of the log names its node')

  const tokens = { alice: await login(origin, 'alice'), bob: await login(origin, 'bob'), admin: await login(origin, 'admin') }
  const sockets = { alice: await enter(t, one.origin, tokens.alice), bob: await enter(t, two.origin, tokens.bob) }
  for (const [name, node] of [['alice', 'one'], ['bob', 'two']] as const) {
    sockets[name].send({ type: 'auth', token: tokens[name], presence: true })
    t.match(await sockets[name].next('auth_ok'), { user: { id: name, node } })
  }
  for (const name of ['alice', 'bob'] as const) {
    sockets[name].send({ type: 'presence:watch', topics: [''] })
    const seen = new Set<string>()
    while (seen.size < 2) {
      const { type, here = [] } = JSON.parse(await sockets[name].nextText())
      if (/^presence:(list|change)$/.test(type)) for (const { subject } of here) seen.add(subject)
    }
    t.same([...seen].sort(), ['alice', 'bob'], `${name} sees both`)
  }

  // Each request has a connection of its own, so that both nodes have answered.
  const once = { headers: { connection: 'close' } }
  const answered = new Set<string>()
  await until(async () => {
    const { body } = await http('GET', `${origin}/nodes`, { token: tokens.admin, ...once })
    // A node that is busy may be too late for one answer.
    if (body.length === 2 && body.every(({ connections }: { connections: number }) => connections === 1)) answered.add(body.find(({ own }: { own: boolean }) => own).name)
    return answered.size === 2
  }, 'each node knows both')
  const through = [await pass(t, origin, tokens.admin), await pass(t, origin, tokens.admin)]
  await http('POST', `${origin}/broadcast`, { token: tokens.admin, json: { data: 'to all' } })
  for (const client of [...through, ...Object.values(sockets)]) t.match(await client.next('broadcast'), { data: 'to all' })
  const external = await http('POST', `${one.origin}/external/login`, { json: { username: 'alice', password: 'wonderland' } })
  const cookie = external.headers.get('set-cookie')?.split(';')[0] as string
  t.equal((await http('GET', `${two.origin}/external/me`, { headers: { cookie } })).status, 200, 'both have the same authority')

  process.kill(two.pid, 'SIGKILL')
  await untilLogged(server, output, /(Node two has ended with SIGKILL\. Node one goes on\.)/)
  for (let n = 0; n < 2; n++) t.equal((await http('GET', `${origin}/healthz`, once)).status, 200, 'the address leads to the other')
  t.equal(sockets.alice.socket.readyState, 1)

  server.kill('SIGINT')
  await untilLogged(server, output, /(Ending\.)/)
  // The same Ctrl-C, from npm.
  server.kill('SIGINT')
  t.match(await sockets.alice.closed, { code: 1012 })
  t.equal(await ended, 0)
  for (const url of [origin, one.origin, authority, redis]) t.ok(await isClosed(url), `nobody is left at ${url}`)
  t.notMatch(output.text, /"level":[56]0/)
})

t.test('a node ends with the process that has started it, however that ends', async t => {
  const { server } = start(t, {}, { script: NODE })
  const ended = once(server, 'exit')
  const [address] = await Promise.race([once(server, 'message'), ended])
  t.match(address, /^http:/, 'it says where it listens')
  server.disconnect()
  t.same(await ended, [0, null])
})

t.test('what keeps it from starting is said, and ends it', async t => {
  const options = { script: TWO, cwd: t.testdir({}) }
  const missing = start(t, { PATH: '' }, options)
  const other = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const taken = start(t, { PORT: String(port) }, options)

  t.equal(await missing.ended, 1)
  t.match(missing.output.text, /^no redis: set REDIS_URL or install redis-server\n$/)
  if (!await hasRedis(t)) return
  t.equal(await taken.ended, 1)
  t.match(taken.output.text, /^listen EADDRINUSE/)
})
