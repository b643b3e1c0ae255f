import t from 'tap'
import { connectedDevices, readDevices, readSubject } from '../src/presence/devices.js'
import type { ListedSession } from '../src/session/session-list.js'

const session = (device: string, sockets: number, current = false): ListedSession => ({ id: device, current, since: 1, device, sockets })

t.test('the devices with sockets, each once, in an order that all pages of a user share', async t => {
  const [phone, laptop, again, idle] = [session('Safari on iOS', 1), session('Firefox on Linux', 2, true), session('Firefox on Linux', 1), session('curl', 0)]
  for (const sessions of [[phone, laptop, again, idle], [idle, again, laptop, phone]]) {
    t.same(connectedDevices(sessions), ['Firefox on Linux', 'Safari on iOS'])
  }
  t.same(connectedDevices([]), [])
  t.equal(connectedDevices(Array.from({ length: 50 }, (_, index) => session(`device ${index}`, 1))).length, 5)
})

t.test('what others show is read, whatever it is', async t => {
  for (const [state, devices] of [
    [{ devices: ['Safari on iOS', 'curl'] }, ['Safari on iOS', 'curl']],
    [undefined, []], [null, []], [7, []], ['devices', []], [[], []], [{}, []],
    [{ devices: 'all of them' }, []],
    [{ devices: { length: 3 } }, []],
    [{ devices: [7, null, {}, '', 'curl'] }, ['curl']],
    [{ devices: ['x'.repeat(900)] }, ['x'.repeat(64)]],
    [{ devices: Array.from({ length: 900 }, (_, index) => `${index}`) }, ['0', '1', '2', '3', '4']]
  ] as const) t.same(readDevices(state), devices, JSON.stringify(state)?.slice(0, 60))
})

t.test('users of the external authority are told apart', async t => {
  t.same(readSubject('alice'), { name: 'alice', isExternal: false })
  t.same(readSubject('external:alice'), { name: 'alice', isExternal: true })
})
