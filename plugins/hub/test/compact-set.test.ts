import t from 'tap'
import fc from 'fast-check'
import { add, each, type CompactSet, has, remove, size } from '../src/compact-set.js'

t.test('it behaves like a Set at any size', async t => {
  const kinds = new Set<string>()
  const items = Array.from({ length: 12 }, (_, id) => ({ id }))
  const step = fc.record({ item: fc.constantFrom(...items), adds: fc.boolean() })
  // More additions than removals, or the larger forms would not occur.
  const steps = fc.array(fc.oneof(step, step.map(({ item }) => ({ item, adds: true }))), { minLength: 30, maxLength: 60 })
  fc.assert(fc.property(steps, steps => {
    let set: CompactSet<{ id: number }> = null
    const model = new Set<{ id: number }>()
    for (const { item, adds } of steps) {
      if (has(set, item) !== model.has(item)) return false
      const before: CompactSet<{ id: number }> = set
      const all = [...each(before)]
      if (adds && !model.has(item)) set = add(set, item)
      if (!adds && model.has(item)) set = remove(set, item)
      if (Array.isArray(before) && all.join() !== [...before].join()) return false
      if (adds) model.add(item)
      else model.delete(item)
      if (size(set) !== model.size || [...each(set)].some((item, index) => item !== [...model][index])) return false
      kinds.add(set === null ? 'none' : set instanceof Set ? 'Set' : Array.isArray(set) ? `${set.length > 1}` : 'one')
    }
    return true
  }))
  t.strictSame([...kinds].sort(), ['Set', 'none', 'one', 'true'])
})

t.test('all items are read, even if they are removed meanwhile', async t => {
  const items = Array.from({ length: 20 }, (_, id) => ({ id }))
  let set: CompactSet<{ id: number }> = null
  for (const item of items) set = add(set, item)
  const seen: unknown[] = []
  for (const item of each(set)) {
    seen.push(item)
    set = remove(set, item)
  }
  t.strictSame(seen, items)
  t.equal(set, null)
})
