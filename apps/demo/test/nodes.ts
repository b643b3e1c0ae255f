import type { PrivateServer } from '@fastify-airlock/test-servers'
import type { Test } from 'tap'
import { Client, getTicket, http, kiosk, listen, login, pass } from './helpers.js'

/** Polls, because a change in another process causes no event in this one. */
export async function until (condition: () => boolean | Promise<boolean>, what: string) {
  const deadline = Date.now() + 30_000
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`still not: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** Starts several nodes on one bus, and waits until they are connected. */
export async function startNodes (t: Test, environment: NodeJS.ProcessEnv, count = 2) {
  const nodes = await Promise.all(Array.from({ length: count }, () => listen(t, environment)))
  await connected(nodes)
  return nodes
}

/** Waits until the bus of every node is up. */
export async function connected (nodes: Array<Awaited<ReturnType<typeof listen>>>) {
  for (const { app } of nodes) await until(() => app.wsHub.health().bus === 'up', 'the bus is up')
}

/** Tests that several nodes must pass with any ticket store and bus. */
export async function nodesContract (t: Test, environment: NodeJS.ProcessEnv) {
  const [one, two] = await startNodes(t, environment) as [Awaited<ReturnType<typeof listen>>, Awaited<ReturnType<typeof listen>>]

  await t.test('a node accepts a ticket of another node, once', async t => {
    const token = await login(one.origin, 'alice')
    const protocols = ['airlock.v1', `ticket.${await getTicket(one.origin, token)}`]
    const client = new Client(t, two.origin, '/ws/demo', protocols)
    t.equal((await client.upgraded).status, 101)
    client.send({ type: 'auth', token })
    t.match(await client.next('auth_ok'), { user: { id: 'alice' } })
    t.equal((await new Client(t, one.origin, '/ws/demo', protocols).upgraded).status, 401)
  })

  await t.test('logout revokes tickets on all nodes', async t => {
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
    t.match(reset.body, { delivered: 1 }, 'the answer counts this node only')
    await http('POST', `${one.origin}/broadcast`, { token: admin, json: { data: 'the end' } })
    for (const kiosk of kiosks) {
      const types = []
      do types.push(JSON.parse(await kiosk.nextText()).type); while (types.at(-1) !== 'broadcast')
      t.strictSame(types.filter(type => type !== 'tick'), ['reset', 'broadcast'])
    }
  })

  await t.test('an admin disconnects a user on all nodes', async t => {
    const [bob, admin] = [await login(one.origin, 'bob'), await login(two.origin, 'admin')]
    const sockets = [await pass(t, one.origin, bob), await pass(t, two.origin, bob)]
    const answer = await http('POST', `${one.origin}/admin/disconnect`, { token: admin, json: { user: 'bob' } })
    t.strictSame(answer.body, { disconnected: 1 }, 'the answer counts this node only')
    for (const { closed } of sockets) t.match(await closed, { code: 4403 })
  })

  await t.test('logout ends sockets and session on all nodes, and on nodes that start later', async t => {
    const token = await login(one.origin, 'alice')
    const { body: { token: renewed } } = await http('POST', `${two.origin}/session`, { token })
    const sockets = [await pass(t, one.origin, token), await pass(t, two.origin, renewed)]
    t.equal((await http('POST', `${one.origin}/logout`, { token })).status, 204)
    for (const { closed } of sockets) t.match(await closed, { code: 4403 })
    t.equal((await http('GET', `${two.origin}/me`, { token: renewed })).status, 401)
    const late = await listen(t, environment)
    await until(async () => (await http('POST', `${late.origin}/session`, { token: renewed })).status === 401, 'refused')
  })

  await t.test('my sessions are those of all nodes, and any node ends them', async t => {
    const [phone, laptop] = [await login(one.origin, 'bob'), await login(two.origin, 'bob')]
    const [ended, kept] = [[await pass(t, one.origin, phone), await pass(t, two.origin, phone)], await pass(t, one.origin, laptop)]
    const unused = await getTicket(one.origin, phone)
    const list = async (origin: string, token: string) => (await http('GET', `${origin}/sessions`, { token })).body as Array<{ id: string, current: boolean, sockets: number }>
    for (const { origin } of [one, two]) {
      await until(async () => (await list(origin, laptop)).some(({ current, sockets }) => !current && sockets === 2), 'both sockets are counted')
    }
    const other = (await list(two.origin, laptop)).find(({ current, sockets }) => !current && sockets === 2)
    t.equal((await http('POST', `${two.origin}/sessions/${other?.id}/end`, { token: laptop })).status, 204)
    for (const { closed } of ended) t.match(await closed, { code: 4403 })
    for (const { app, origin } of [one, two]) {
      await until(async () => (await http('GET', `${origin}/me`, { token: phone })).status === 401, 'refused')
      t.equal((await http('GET', `${origin}/me`, { token: laptop })).status, 200)
      t.equal(await app.wsTickets.redeem(unused), null)
      await until(async () => (await list(origin, laptop)).every(({ id }) => id !== other?.id), 'gone from the list')
    }
    t.equal(kept.socket.readyState, kept.socket.OPEN)
  })

  await t.test('health and metrics show the bus', async t => {
    t.match((await http('GET', `${one.origin}/healthz`)), { status: 200, body: { status: 'ok', bus: 'up' } })
    const text = await (await fetch(`${one.origin}/metrics`)).text()
    t.match(text, /^airlock_bus_up 1$/m)
    t.match(text, /^airlock_bus_messages_total\{result="sent"\} [1-9]/m)
  })
}

/** What nodes ask each other, on a bus that takes less than a second. */
export async function questionsContract (t: Test, environment: NodeJS.ProcessEnv) {
  const [one, two] = await startNodes(t, environment) as [Awaited<ReturnType<typeof listen>>, Awaited<ReturnType<typeof listen>>]

  await t.test('the answer to a refused upgrade is told by any node', async t => {
    const attempt = 'a-refused-attempt-of-one'
    t.equal((await new Client(t, one.origin, `/ws/demo?attempt=${attempt}`).upgraded).status, 401)
    for (const { origin } of [one, two]) {
      // A node that is busy may answer too late for one question.
      await until(async () => (await http('GET', `${origin}/refusals/${attempt}`)).status === 200, 'found')
      t.match(await http('GET', `${origin}/refusals/${attempt}`), { body: { statusCode: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' } })
    }
  })

  await t.test('every node knows the others by their names, or ids', async t => {
    const token = await login(one.origin, 'alice')
    const names = async (origin: string) => ((await http('GET', `${origin}/nodes`, { token })).body as Array<{ name: string }>).map(({ name }) => name)
    const three = await listen(t, { ...environment, NODE_NAME: 'three' })
    const expected = [one.app.wsHub.node, two.app.wsHub.node, 'three'].sort()
    for (const { origin } of [one, two, three]) await until(async () => (await names(origin)).join() === expected.join(), 'all three')
    for (const data of [null, { name: 7 }, { name: 'not a name' }]) three.app.wsHub.tell('demo/name', data)
    const { node } = three.app.wsHub
    await three.app.close()
    await until(() => one.app.nameOf(node) === node && two.app.nameOf(node) === node, 'forgotten')
  })
}

/** What nodes do that keep topics in a server of theirs: an environment of one that does. */
export async function topicsContract (t: Test, environment: NodeJS.ProcessEnv) {
  const [one, two] = await startNodes(t, environment) as [Awaited<ReturnType<typeof listen>>, Awaited<ReturnType<typeof listen>>]
  const [alice, admin] = [await login(one.origin, 'alice'), await login(two.origin, 'admin')]
  const reset = async ({ origin }: { origin: string }) => (await http('POST', `${origin}/kiosk/reset`, { token: admin })).body.position
  const [stays, leaves] = [await kiosk(t, one.origin, alice), await kiosk(t, one.origin, alice)]
  t.match(stays.answer, { recovered: undefined, position: leaves.answer.position })

  await t.test('a kiosk that is away is reset when it is back, at whichever node, and once', async t => {
    leaves.socket.close()
    await leaves.closed
    const begun = leaves.answer.position.offset
    const offsets: number[] = []
    for (const node of [one, two, one]) offsets.push((await reset(node)).offset)
    t.same(offsets, [begun + 1, begun + 2, begun + 3], 'one order for all nodes')
    for (const [node, other, since] of [[two, one, begun], [one, two, begun + 1], [two, one, begun + 5]] as const) {
      const back = await kiosk(t, node.origin, alice, { ...leaves.answer.position, offset: since })
      t.match(back.answer, { recovered: true, position: { offset: offsets.at(-1) } })
      t.same((back.answer.messages ?? []).map(({ position }: any) => position.offset), offsets.filter(offset => offset > since), 'what it missed')
      offsets.push((await reset(other)).offset)
      t.match(await back.next('topic:message'), { position: { offset: offsets.at(-1) }, data: { type: 'reset' } })
    }
    const seen: number[] = []
    while (seen.at(-1) !== offsets.at(-1)) seen.push((await stays.next('topic:message')).position.offset)
    t.same(seen, offsets, 'who was there has each once, in order')
  })
}

/** What two nodes do while their servers, which have been killed before, come and go away again. */
export async function outageContract (
  t: Test, environment: NodeJS.ProcessEnv, servers: PrivateServer[],
  /** What a node logs of them, from its start to the second loss. */
  losses: string[]
) {
  const restart = async () => await Promise.all(servers.map(async server => { await server.restart() }))
  const [one, two] = [await listen(t, environment), await listen(t, environment)]
  const [token, admin] = [await login(one.origin, 'alice'), await login(one.origin, 'admin')]
  t.type(token, 'string', 'sessions need no server')
  const ask = (origin: string) => http('POST', `${origin}/ws/ticket`, { token })
  const refused = async () => {
    const start = performance.now()
    t.match(await ask(one.origin), { status: 503, body: { code: 'WSA_TICKET_ERR_UNAVAILABLE' } })
    t.ok(performance.now() - start < 25_000)
  }
  const itWorks = async () => {
    for (const { origin } of [one, two]) await until(async () => (await ask(origin)).status === 201, 'a ticket')
    await connected([one, two])
  }
  const logged = (what: string) => one.lines.map(line => JSON.parse(line).msg as string).filter(message => message.includes(what)).sort()

  await refused()
  t.match(await http('GET', `${one.origin}/healthz`), { status: 200, body: { status: 'degraded', bus: 'down' } })
  await restart()
  await itWorks()
  t.match(await http('GET', `${one.origin}/healthz`), { status: 200, body: { status: 'ok', bus: 'up' } })

  const [here, there] = [await pass(t, one.origin, token, '/ws/kiosk'), await pass(t, two.origin, token, '/ws/kiosk')]
  await Promise.all(servers.map(async server => { await server.kill() }))
  await until(() => logged(' is away: ').length === losses.length, 'the losses are logged')
  await refused()
  t.strictSame((await http('POST', `${one.origin}/kiosk/reset`, { token: admin })).body, { delivered: 1, position: null })
  await here.next('reset')
  here.send({ type: 'echo', data: 'served on' })
  await here.next('echo')

  await restart()
  await itWorks()
  await until(() => logged(' is back: ').length === losses.length, 'the returns are logged')
  // So short a loss goes unnoticed by the hubs. What is sent before the other node is connected again is lost.
  await until(async () => {
    await http('POST', `${one.origin}/broadcast`, { token: admin, json: { data: 'again' } })
    return there.pending.includes('broadcast')
  }, 'a broadcast arrives')
  t.match(await there.next('broadcast'), { data: 'again' })
  t.strictSame(logged(' is away: '), [...losses].sort(), 'each loss is logged once')
}
