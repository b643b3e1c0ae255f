import type { Test } from 'tap'
import { connect, outcomes, until } from '../helpers.js'
import type { Cluster } from './cluster.js'
import { request } from './https.js'
import { CERTIFICATE } from './proxy.js'

/** Another address of this machine than the proxy's and the nodes'. */
const CLIENT_ADDRESS = '127.0.0.2'

/** Through the proxy: who the client is, and whom the doors let in. */
export async function doors (t: Test, cluster: Cluster): Promise<void> {
  const { proxy, nodes } = cluster
  const open = async (t: Test, protocols: string[], options: object = {}, origin = proxy.origin) =>
    await connect(t, `${origin.replace('http', 'ws')}/ws/demo`, protocols, { ca: CERTIFICATE, ...options })
  const carriers = (ticket: string): string[] => ['airlock.v1', `ticket.${ticket}`]

  t.test('a node knows the client behind the proxy: address, scheme, host', async t => {
    const token = await cluster.login('alice')
    const headers = { 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.1' }
    const login = await request(`${proxy.origin}/login`, {
      method: 'POST',
      body: { username: 'alice', password: 'wonderland' },
      localAddress: CLIENT_ADDRESS,
      headers
    })
    t.match(login.headers['set-cookie'], [/; Secure/], 'the cookie of an https page')

    const { ticket } = (await cluster.post('/ws/ticket', token)).json<{ ticket: string }>()
    const { socket } = await open(t, carriers(ticket), { localAddress: CLIENT_ADDRESS, headers, origin: proxy.origin })
    t.equal(socket.protocol, 'airlock.v1')
    const lines = nodes.flatMap(({ demo }) => demo.log)
    const seen = (url: string) => lines.map(line => JSON.parse(line)).filter(({ req }) => req?.url === url).map(({ req }) => req)
    t.ok(seen('/login').some(({ remoteAddress }) => remoteAddress === CLIENT_ADDRESS), 'of a request')
    t.match(seen('/ws/demo').at(-1), { remoteAddress: CLIENT_ADDRESS, host: new URL(proxy.origin).host }, 'of an upgrade')
    t.notMatch(lines.join('\n'), '"remoteAddress":"192.0.2.1"', 'whatever the client claims')
  })

  t.test('a page of another origin is refused, and has cost no ticket', async t => {
    const token = await cluster.login('alice')
    const { ticket } = (await cluster.post('/ws/ticket', token)).json<{ ticket: string }>()
    await t.rejects(open(t, carriers(ticket), { origin: 'https://evil.example' }), { message: 'HTTP 403 WSA_GUARD_ERR_ORIGIN' })
    await open(t, carriers(ticket), { origin: proxy.origin })
  })

  t.test('metrics are not for everybody', async t => {
    t.equal((await fetch(`${nodes[0].demo.url}/metrics`)).status, 200)
    for (const path of ['/metrics', '/%6detrics', '/metrics?', '//metrics']) {
      t.equal((await request(proxy.origin + path)).status, 404, path)
    }
  })

  t.test('the proxy\'s log has no ticket', async t => {
    const token = await cluster.login('alice')
    const { ticket } = (await cluster.post('/ws/ticket', token)).json<{ ticket: string }>()
    const url = `${proxy.origin.replace('http', 'ws')}/ws/demo?ticket=${ticket}`
    const before = (await proxy.accessLog()).split('/ws/demo').length
    const { socket } = await connect(t, url, [], { ca: CERTIFICATE })
    socket.terminate()
    await t.rejects(connect(t, url, [], { ca: CERTIFICATE }), { message: 'HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL' })
    await until(async () => (await proxy.accessLog()).split('/ws/demo').length >= before + 2)
    t.notMatch(await proxy.accessLog(), ticket)
  })

  t.test('a ticket of any node opens any other, once', async t => {
    const token = await cluster.login('alice')
    for (const [i, issuer] of nodes.entries()) {
      const redeemer = nodes[(i + 1) % nodes.length] as typeof issuer
      const { ticket } = await issuer.demo.ticket(token)
      const socket = await open(t, carriers(ticket), {}, redeemer.demo.url)
      socket.send({ type: 'auth', token })
      t.match(await socket.next(), { type: 'auth_ok', user: { id: 'alice' } })
      await t.rejects(open(t, carriers(ticket), {}, issuer.demo.url), { message: 'HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL' })
    }
  })

  t.test('in a race at all nodes, and through the proxy, one attempt wins', async t => {
    const token = await cluster.login('alice')
    for (let round = 0; round < 5; round++) {
      const { ticket } = (await cluster.post('/ws/ticket', token)).json<{ ticket: string }>()
      const attempts = Array.from({ length: 24 }, async (_, i) => await open(t, carriers(ticket), {}, nodes[i % 4]?.demo.url))
      t.match(await outcomes(attempts), { succeeded: 1, failures: ['HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL'] })
    }
  })
}
