import t from 'tap'
import { connect, listen, TOKEN } from './helpers.js'

t.test('without the key every answer is 401, never a 404', async t => {
  const { lines, origin, port } = await listen(t)
  for (const headers of [{}, { 'x-api-key': `${TOKEN}x` }, { 'x-api-key': '' }] as Array<Record<string, string>>) {
    for (const path of ['/hello', '/nothing', '/ws']) {
      const response = await fetch(origin + path, { headers })
      t.equal(response.status, 401)
      t.match(await response.json(), { code: 'WSA_UPSTREAM_ERR_KEY' })
    }
    const { opened, closed } = connect(t, port, headers)
    opened.catch(() => {})
    t.equal(await closed, 'Unexpected server response: 401')
  }
  t.notMatch(lines.join(''), TOKEN)
})

t.test('the HTTP API', async t => {
  const { lines, origin } = await listen(t)
  const response = await fetch(`${origin}/hello`, { headers: { 'x-api-key': TOKEN, cookie: 'a=1' } })
  const { hello, headers } = await response.json() as { hello: string, headers: string[] }
  t.equal(hello, 'from the upstream')
  t.ok(headers.includes('x-api-key') && headers.includes('cookie'))
  t.equal((await fetch(`${origin}/push`, { method: 'POST', headers: { 'x-api-key': TOKEN, 'content-type': 'application/json' }, body: '{}' })).status, 400)
  t.notMatch(lines.join(''), TOKEN)
})

t.test('the WebSocket echoes, lists the headers of the upgrade, and pushes', async t => {
  const { app, origin, port } = await listen(t)
  const { socket, opened, next, closed } = connect(t, port)
  await opened
  for (const text of ['hello', '{"type":"hello"}', '{"type":"push"}', '7', 'null', '{']) {
    socket.send(text)
    t.same(await next(), [text, false])
  }
  socket.send(Buffer.from('{"type":"headers"}'))
  t.same(await next(), ['{"type":"headers"}', true])
  socket.send('{"type":"headers"}')
  const [headers] = await next()
  t.ok(JSON.parse(headers).headers.includes('x-api-key'))
  t.notMatch(headers, TOKEN)
  socket.send('{"type":"push","count":1001}')
  const pushed: string[] = []
  while (pushed.length < 1_000) pushed.push((await next())[0])
  t.equal(pushed[0], '{"type":"push","n":1}')
  t.equal(pushed[999], '{"type":"push","n":1000}')

  const push = async () => await (await fetch(`${origin}/push`, {
    method: 'POST', headers: { 'x-api-key': TOKEN, 'content-type': 'application/json' }, body: '{"message":"to all"}'
  })).json()
  t.same(await push(), { sent: 1 })
  t.same(await next(), ['to all', false])
  socket.close()
  await closed
  t.same(await push(), { sent: 0 })
  await app.close()
})
