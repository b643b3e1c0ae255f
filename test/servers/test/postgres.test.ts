import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { requireServer, startPostgres } from '../src/index.js'

/** Asks for TLS, which is the shortest question that PostgreSQL answers: no. */
async function ask (url: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))
    const [answer] = await once(socket, 'data')
    return String(answer)
  } finally {
    socket.destroy()
  }
}

t.test('it is killed, comes back on its data, and stands still with all of its processes', async t => {
  const postgres = requireServer(t, await startPostgres())
  if (postgres === null) return
  t.teardown(() => postgres.stop())
  t.match(postgres.url, /^postgresql:\/\/postgres@127/)
  t.equal(await ask(postgres.url), 'N')
  await postgres.kill()
  await t.rejects(ask(postgres.url), { code: 'ECONNREFUSED' })
  await postgres.restart()
  await postgres.pause()
  const answer = ask(postgres.url)
  t.equal(await Promise.race([answer, sleep(200, 'silence')]), 'silence')
  postgres.resume()
  t.equal(await answer, 'N')
})

t.test('one that does not start is a reason of one line', async t => {
  t.match(await startPostgres('no_such_setting=1'), { skip: /^no postgresql: ended early .*no_such_setting/ })
})
