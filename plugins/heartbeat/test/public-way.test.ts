// Runs alone: the environment is read once in a process, and forces the public way here.
import net from 'node:net'
import t from 'tap'

// Read once, when the packages are loaded.
process.env.AIRLOCK_PUBLIC = '1'
const { probeUnsentBytes, unsentBytes } = await import('../src/internals.js')

t.test('AIRLOCK_PUBLIC=1: a write counts as a whole, and nothing is logged', async t => {
  const socket = Object.defineProperty(new net.Socket(), '_handle', { value: { writeQueueSize: 7 } })
  probeUnsentBytes(socket, { warn: line => { throw new Error(line) } })
  t.equal(unsentBytes(socket), 0)
})
