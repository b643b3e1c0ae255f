import t from 'tap'
import Fastify from 'fastify'
import { logError } from '../src/index.js'

t.test('an error that cannot be logged is said to be one', async t => {
  const lines: string[] = []
  const { log } = Fastify({ logger: { stream: { write: line => { lines.push(line) } } } })
  logError(log, new Error('plain'), 'a hook failed')
  logError(log, Object.freeze(new Error('frozen')), 'a hook failed', { topic: 'news' })
  logError(log, new Error('plain'), 'a hook failed', { topic: 'news' })
  t.match(lines.map(line => JSON.parse(line)), [
    { level: 50, err: { message: 'plain' }, msg: 'a hook failed' },
    { level: 50, msg: 'a hook failed, by an error that cannot be logged', topic: 'news' },
    { level: 50, err: { message: 'plain' }, msg: 'a hook failed', topic: 'news' }
  ])
})

t.test('a warning, and what the line says besides', async t => {
  const lines: string[] = []
  const { log } = Fastify({ logger: { stream: { write: line => { lines.push(line) } } } })
  for (const error of [new Error('plain'), Object.freeze(new Error('frozen'))]) {
    logError(log, error, 'a hook failed', { topic: 'a' })
    logError(log, error, 'a hook failed', { topic: 'a' }, 'warn')
  }
  const cannot = 'a hook failed, by an error that cannot be logged'
  t.match(lines.map(line => JSON.parse(line)), [
    { level: 50, topic: 'a', err: { message: 'plain' }, msg: 'a hook failed' }, { level: 40, topic: 'a', err: { message: 'plain' }, msg: 'a hook failed' },
    { level: 50, topic: 'a', msg: cannot }, { level: 40, topic: 'a', msg: cannot }
  ])
})
