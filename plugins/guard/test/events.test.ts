import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import type { GuardRefuseEvent } from '../src/index.js'
import { attempt, build, listen, raw, route, upgradeHead } from './helpers.js'

t.test('each refusal is published, including those at the deadline', async t => {
  const refusals: GuardRefuseEvent[] = []
  const onRefuse = (message: unknown): void => { refusals.push(message as GuardRefuseEvent) }
  subscribe('airlock:guard:refuse', onRefuse)
  t.teardown(() => unsubscribe('airlock:guard:refuse', onRefuse))
  const app = await build(t, { guard: { upgradeTimeout: 50 } })
  route(app)
  app.get('/hangs', { websocket: true, preValidation: app.wsGuard({ authenticate: async () => await new Promise<never>(() => {}) }) }, () => {})
  const port = await listen(app)
  await attempt(port, '/ws')
  await attempt(port, '/ws', [], { origin: 'https://evil.test' })
  await (await raw(t, port, upgradeHead('/hangs'))).text
  t.same(refusals, [
    { statusCode: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' },
    { statusCode: 403, code: 'WSA_GUARD_ERR_ORIGIN' },
    { statusCode: 503, code: 'WSA_GUARD_ERR_TIMEOUT' }
  ])
})
