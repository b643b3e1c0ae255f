import { once } from 'node:events'
import { chmodSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { findRedis, isSkip, requireServer, startRedis } from '../src/index.js'

function environment (t: Test, name: string, value: string): void {
  const before = process.env[name]
  process.env[name] = value
  t.teardown(() => {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  })
}

/** What a Redis answers to one inline command. */
async function ask (url: string, command: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
    socket.write(`${command}\r\n`)
    const [answer] = await once(socket, 'data')
    return String(answer).trim()
  } finally {
    socket.destroy()
  }
}

t.test('a given Redis is used, and left alone', async t => {
  const url = 'redis://redis.example:6379'
  environment(t, 'REDIS_URL', url)
  const redis = await findRedis()
  t.match(redis, { kind: 'REDIS_URL', url })
  if (!isSkip(redis)) await redis.stop()
})

t.test('without one on PATH there is a reason', async t => {
  environment(t, 'REDIS_URL', '')
  environment(t, 'PATH', t.testdir())
  t.match(await findRedis(), { skip: /^no redis: set REDIS_URL/ })
})

t.test('one that does not start is a reason of one line', async t => {
  const folder = t.testdir({ 'redis-server': '#!/bin/sh\necho out of luck\nexit 1\n' })
  chmodSync(`${folder}/redis-server`, 0o755)
  environment(t, 'PATH', `${folder}:${process.env.PATH}`)
  t.match(await startRedis(), { skip: /^no redis: .*out of luck$/ })
})

t.test('it keeps through a kill what it acknowledged', async t => {
  const folder = t.testdir()
  environment(t, 'TMPDIR', folder)
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  t.equal(await ask(redis.url, 'SET kept yes'), '+OK')
  await redis.kill()
  await t.rejects(ask(redis.url, 'PING'), { code: 'ECONNREFUSED' })
  await redis.restart()
  t.equal(await ask(redis.url, 'GET kept'), '$3\r\nyes')
  await redis.stop()
  t.same(readdirSync(folder), [], 'nothing is left of it')
})

t.test('paused, it says nothing until it is resumed', async t => {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  await redis.pause()
  const answer = ask(redis.url, 'PING')
  t.equal(await Promise.race([answer, sleep(200, 'silence')]), 'silence')
  redis.resume()
  t.equal(await answer, '+PONG')
})
