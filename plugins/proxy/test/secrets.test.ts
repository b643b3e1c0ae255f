import t from 'tap'
import { build, connect, echo, pem, refusal, SECRET, until, upstream } from './helpers.js'

const KEY = String(pem('client-key')).split('\n')[1] as string

t.test('no secret is in a log line, an answer or a message, whatever happens', async t => {
  const seen: string[] = []
  for (const [admit, onConnection] of [
    [() => 101, echo],
    [() => 401, echo],
    [() => 101, ({ socket }: { socket: { terminate (): void } }) => socket.terminate()]
  ] as const) {
    const far = await upstream(t, {
      tls: { cert: pem('server'), key: pem('server-key'), ca: pem('ca'), requestCert: true },
      admit,
      onConnection
    })
    const { app, lines, port } = await build(t, {
      proxy: {
        upstream: `${far.url.replace('//', `//user:${SECRET}@`)}feed?key=${SECRET}`,
        headers: { 'X-Api-Key': SECRET },
        tls: { ca: pem('ca'), cert: pem('client'), key: pem('client-key') },
        maxPayload: 10
      }
    })
    if (admit() === 101) {
      const near = await connect(t, port)
      near.socket.send('more than ten bytes')
      seen.push(JSON.stringify(await near.closed))
      await until(() => app.wsProxy.open === 0)
    } else {
      const { text, headers } = await refusal(t, port)
      seen.push(text, JSON.stringify(headers))
    }
    const [request] = far.requests
    t.match(request?.headers['x-api-key'], SECRET)
    t.match(request?.url, SECRET)
    await far.close()
    const { text, headers } = await refusal(t, port)
    seen.push(text, JSON.stringify(headers), ...lines)
  }
  const all = seen.join('\n')
  t.match(all, 'WSA_PROXY_ERR_UPSTREAM_REFUSED')
  t.match(all, 'WSA_PROXY_ERR_UPSTREAM_UNREACHABLE')
  t.match(all, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH')
  t.notMatch(all, SECRET)
  t.notMatch(all, KEY)
})

t.test('an error about options shows no value', async t => {
  const { app } = await build(t, { proxy: { upstream: 'ws://localhost' }, routes: () => {} })
  for (const options of [
    { upstream: `ws:/ /${SECRET}` },
    { upstream: `http://user:${SECRET}@localhost` },
    { upstream: `ws://localhost/?key=${SECRET}#x` },
    { headers: { 'X-Api-Key': `${SECRET}\n` } },
    { headers: { Upgrade: SECRET } },
    { upstream: 'wss://localhost', tls: { cert: SECRET, key: SECRET } },
    { upstream: 'wss://localhost', tls: { key: pem('client-key'), cert: pem('ca') } }
  ]) {
    t.throws(() => app.wsProxy(options), { code: 'WSA_PROXY_ERR_OPTION' })
    try { app.wsProxy(options) } catch (error) { t.notMatch(String((error as Error).stack), SECRET) }
  }
})
