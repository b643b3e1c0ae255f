import t from 'tap'
import { announceIdentityChange, unwatchIdentity, watchIdentity } from '../src/index.js'

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
