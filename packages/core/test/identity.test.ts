import Fastify, { type FastifyRequest } from 'fastify'
import t from 'tap'
import { announceIdentityChange, decorateIdentity, identityOf, unwatchIdentity, watchIdentity } from '../src/index.js'

t.test('the identity is found in the request of Node and in that of Fastify, whoever has set it', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  decorateIdentity(app)
  decorateIdentity(app)
  const alice = { subject: 'alice', claims: {}, expiresAt: null }
  const seen: unknown[] = []
  const look = ({ raw, wsIdentity }: FastifyRequest, also: FastifyRequest) => seen.push(wsIdentity, identityOf(raw), identityOf(also))
  await app.register(async scope => {
    // A request of a scope that has declared something of its own.
    scope.decorateRequest('other', null)
    scope.get('/', async request => {
      look(request, request)
      request.wsIdentity = alice
      look(request, request)
      // What jwt verifiers and tracers make of a request.
      look(Object.create(request) as FastifyRequest, Object.create(request) as FastifyRequest)
      alice.subject = 'alice, later'
      look(request, request)
      request.wsIdentity = null
      look(request, request)
      return 'done'
    })
  })
  t.equal((await app.inject('/')).body, 'done')
  t.strictSame(seen, [...Array(3).fill(null), ...Array(9).fill(alice), ...Array(3).fill(null)])
  t.ok(seen.slice(3, 12).every(found => found === alice), 'the object itself')
  for (const nothing of [null, undefined, {}, { raw: null }, { raw: {} }, { raw: 'x' }, [], 'request' as never, 1 as never, (() => {}) as never]) {
    t.equal(identityOf(nothing), null, String(nothing))
  }
})

t.test('those who watch an identity are told of each change', async t => {
  const told: string[] = []
  const watcher = (name: string) => ({ identityChanged: () => { told.push(name) } })
  const identity = {}
  const [one, two] = [watcher('one'), watcher('two')]
  announceIdentityChange(identity)
  unwatchIdentity(identity, one)
  watchIdentity(identity, one)
  watchIdentity(identity, two)
  watchIdentity({}, watcher('another'))
  announceIdentityChange(identity)
  unwatchIdentity(identity, one)
  announceIdentityChange(identity)
  unwatchIdentity(identity, two)
  announceIdentityChange(identity)
  t.strictSame(told, ['one', 'two', 'two'])
})
