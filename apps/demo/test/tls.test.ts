import { request } from 'node:https'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { build, Client, portOf } from './helpers.js'

// Made for localhost and 127.0.0.1, good for a hundred years and for nothing else.
const cert = fileURLToPath(new URL('fixtures/cert.pem', import.meta.url))
const key = fileURLToPath(new URL('fixtures/key.pem', import.meta.url))
const ca = readFileSync(cert)

function post (origin: string, path: string, headers: Record<string, string>, body = ''): Promise<{ headers: Record<string, any>, body: any }> {
  return new Promise((resolve, reject) => {
    const call = request(origin + path, { method: 'POST', ca, agent: false, headers }, async response => {
      let text = ''
      for await (const chunk of response) text += chunk
      resolve({ headers: response.headers, body: JSON.parse(text) })
    })
    call.on('error', reject)
    call.end(body)
  })
}

t.test('https and wss, given a certificate', async t => {
  const { app } = await build(t, { TLS_CERT: cert, TLS_KEY: key })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const origin = `https://localhost:${portOf(app)}`

  const session = await post(origin, '/login', { 'content-type': 'application/json' }, '{"username":"alice","password":"wonderland"}')
  t.match(session.headers['set-cookie'], [/^session=.*; Secure/])
  const { token } = session.body
  const { body: { ticket } } = await post(origin, '/ws/ticket', { authorization: `Bearer ${token}` })

  const client = new Client(t, origin, '/ws/demo', ['airlock.v1', `ticket.${ticket}`], { ca, origin })
  t.equal(client.socket.url.slice(0, 6), 'wss://')
  t.equal((await client.upgraded).status, 101)
  client.send({ type: 'auth', token })
  t.match(await client.next('auth_ok'), { user: { id: 'alice' } })
  t.match(await client.next('tick'), { n: 1 })
})
