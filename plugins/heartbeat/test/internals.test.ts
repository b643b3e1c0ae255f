import net from 'node:net'
import t from 'tap'
import { usesPublicWay } from '@fastify-airlock/core'
import { probeUnsentBytes, unsentBytes } from '../src/internals.js'

t.test('with an unknown Node, one line is logged and a write counts as a whole', async t => {
  const lines: string[] = []
  const log = { warn: (line: string) => { lines.push(line) } }
  const destroyed = new net.Socket()
  destroyed.destroy()
  probeUnsentBytes(destroyed, log)
  t.strictSame(lines, [], 'nothing can be said yet')

  const unknown = Object.defineProperty(new net.Socket(), '_handle', { value: { writeQueueSize: 'many' } })
  for (let count = 0; count < 2; count++) probeUnsentBytes(unknown, log)
  t.equal(lines.length, usesPublicWay() ? 0 : 1)
  t.equal(unsentBytes(unknown), 0)
})
