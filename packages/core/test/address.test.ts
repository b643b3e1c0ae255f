import t from 'tap'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { AddressPool, addressKey, copyOf, plainAddress, Trail } from '../src/index.js'

t.test('an IPv4 address is its own key, an IPv6 address counts by /64', async t => {
  const cases: Array<[string | undefined, string]> = [
    [undefined, ''],
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['64:ff9b:1:2::192.0.2.7', '64:ff9b:1:2::/64'],
    ['1:2:3:4:5:6:192.0.2.7', '1:2:3:4::/64'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['0:0:0:0:0:ffff:c000:0207', '192.0.2.7'],
    ['192.0.2.7:4711', '192.0.2.7'],
    ['[2001:db8:1:2::1]:4711', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::1]', '2001:db8:1:2::/64'],
    ['[::ffff:192.0.2.7]:4711', '192.0.2.7'],
    ['not:an:address', 'not:an:address'],
    ['unknown', 'unknown'],
    ['x'.repeat(64), 'x'.repeat(64)],
    ['x'.repeat(12_000), 'x'.repeat(64)],
    ['x:'.repeat(12_000), 'x:'.repeat(32)],
    [`fe80::1%${'x'.repeat(12_000)}`, 'fe80:0:0:0::/64'],
    ['', '']
  ]
  for (const [address, key] of cases) t.equal(addressKey(address), key, String(address))
})

t.test('the plain form of an address', async t => {
  const cases: Array<[string | undefined, string | undefined]> = [
    [undefined, undefined],
    ['', ''],
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7:4711', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['[::ffff:c000:207]:4711', '192.0.2.7'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:0DB8:0:0::0001', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:4711', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['unknown', 'unknown'],
    ['not:an:address', 'not:an:address']
  ]
  for (const [address, plain] of cases) t.equal(plainAddress(address), plain, String(address))
})

t.test('a pool counts by key and forgets keys that hold nothing', async t => {
  const pool = new AddressPool(2)
  t.ok(pool.acquire('a'))
  t.ok(pool.acquire('a'))
  t.notOk(pool.acquire('a'), 'full')
  t.ok(pool.acquire('b'), 'for this one only')
  pool.release('a')
  t.ok(pool.acquire('a'), 'a place came free')
  pool.release('a')
  pool.release('a')
  pool.release('b')
  t.equal(pool.size, 0)
})

t.test('what is kept of a long header holds nothing of it', t => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const HEADERS = 1_000
  const LONG = 16 * 1024
  for (const [name, keep] of [
    ['the key of an address', (address: string) => addressKey(address)],
    ['an address that is none', (address: string) => addressKey(`${address.slice(0, 20)}`)],
    ['an address in a record', (address: string) => new Trail().from({ ip: address }).address],
    ['a copy', (address: string) => copyOf(address)]
  ] as const) {
    const kept: unknown[] = []
    gc()
    const before = process.memoryUsage().heapUsed
    for (let index = 0; index < HEADERS; index++) {
      // As it arrives: a header that is one piece, of which a proxy's part is cut off.
      const header = Buffer.from(`203.0.113.${100 + index % 100}, ${'x'.repeat(LONG)}`).toString('latin1')
      kept.push(keep(header.slice(0, 13)))
    }
    gc()
    const grown = process.memoryUsage().heapUsed - before
    t.equal(kept.length, HEADERS)
    t.ok(grown < HEADERS * LONG / 4, `${name}: ${grown} bytes`)
  }
  t.end()
})
