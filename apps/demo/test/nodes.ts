import type { Test } from 'tap'
import { Client, getTicket, http, listen, login, pass } from './helpers.js'

/** Polls, since what another process knows is no event of this one. */
export async function until (condition: () => boolean | Promise<boolean>, what: string) {
  const deadline = Date.now() + 30_000
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`still not: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** Several nodes of one bus, as soon as they hear each other. */
export async function startNodes (t: Test, environment: NodeJS.ProcessEnv, count = 2) {
  const nodes = await Promise.all(Array.from({ length: count }, () => listen(t, environment)))
  await connected(nodes)
  return nodes
}

/** Resolves when all nodes hear of each other. */
export async function connected (nodes: Array<Awaited<ReturnType<typeof listen>>>) {
  for (const { app } of nodes) await until(() => app.wsHub.health().bus === 'up', 'the bus is up')
}

/** What holds of several nodes, whatever connects them. */
export async function nodesContract (t: Test, environment: NodeJS.ProcessEnv) {
  const [one, two] = await startNodes(t, environment) as [Awaited<ReturnType<typeof listen>>, Awaited<ReturnType<typeof listen>>]

  await t.test('the nodes honour the tickets of each other, once', async t => {
    const token = await login(one.origin, 'alice')
    const protocols = ['airlock.v1', `ticket.${await getTicket(one.origin, token)}`]
    const client = new Client(t, two.origin, '/ws/demo', protocols)
    t.equal((await client.upgraded).status, 101)
    client.send({ type: 'auth', token })
    t.match(await client.next('auth_ok'), { user: { id: 'alice' } })
    t.equal((await new Client(t, one.origin, '/ws/demo', protocols).upgraded).status, 401)
  })

  await t.test('logout revokes tickets on all', async t => {
    const token = await login(one.origin, 'bob')
    const ticket = await getTicket(one.origin, token)
    await http('POST', `${one.origin}/logout`, { token })
    t.equal(await two.app.wsTickets.redeem(ticket), null)
  })

  await t.test('a reset and a broadcast reach every node, once', async t => {
    const [alice, admin] = [await login(one.origin, 'alice'), await login(one.origin, 'admin')]
    const kiosks = [await pass(t, one.origin, alice, '/ws/kiosk'), await pass(t, two.origin, alice, '/ws/kiosk')]
    for (const { app } of [one, two]) t.ok(await app.wsHub.busReady())
    const reset = await http('POST', `${one.origin}/kiosk/reset`, { token: admin })
    t.strictSame(reset.body, { delivered: 1 }, 'which is told of this node')
    await http('POST', `${one.origin}/broadcast`, { token: admin, json: { data: 'the end' } })
    for (const kiosk of kiosks) {
      const types = []
      do types.push(JSON.parse(await kiosk.nextText()).type); while (types.at(-1) !== 'broadcast')
      t.strictSame(types.filter(type => type !== 'tick'), ['reset', 'broadcast'])
    }
  })

  await t.test('an admin disconnects a user on all', async t => {
    const [bob, admin] = [await login(one.origin, 'bob'), await login(two.origin, 'admin')]
    const sockets = [await pass(t, one.origin, bob), await pass(t, two.origin, bob)]
    const answer = await http('POST', `${one.origin}/admin/disconnect`, { token: admin, json: { user: 'bob' } })
    t.strictSame(answer.body, { disconnected: 1 }, 'which is told of this node')
    for (const { closed } of sockets) t.match(await closed, { code: 4403 })
  })

  await t.test('logout ends sockets and session on all, on those that start later as well', async t => {
    const token = await login(one.origin, 'alice')
    const { body: { token: renewed } } = await http('POST', `${two.origin}/session`, { token })
    const sockets = [await pass(t, one.origin, token), await pass(t, two.origin, renewed)]
    t.equal((await http('POST', `${one.origin}/logout`, { token })).status, 204)
    for (const { closed } of sockets) t.match(await closed, { code: 4403 })
    t.equal((await http('GET', `${two.origin}/me`, { token: renewed })).status, 401)
    const late = await listen(t, environment)
    await until(async () => (await http('POST', `${late.origin}/session`, { token: renewed })).status === 401, 'refused')
  })

  await t.test('health and metrics tell of the bus', async t => {
    t.match((await http('GET', `${one.origin}/healthz`)), { status: 200, body: { status: 'ok', bus: 'up' } })
    const text = await (await fetch(`${one.origin}/metrics`)).text()
    t.match(text, /^airlock_bus_up 1$/m)
    t.match(text, /^airlock_bus_messages_total\{result="sent"\} [1-9]/m)
  })
}
