import t from 'tap'
import fc from 'fast-check'
import { add, each, type Few, has, remove, size } from '../src/few.js'

t.test('it behaves like a Set, whatever it is', async t => {
  const kinds = new Set<string>()
  const items = Array.from({ length: 12 }, (_, id) => ({ id }))
  const step = fc.record({ item: fc.constantFrom(...items), adds: fc.boolean() })
  // Adding more often than not, or the larger ones would not be seen.
  const steps = fc.array(fc.oneof(step, step.map(({ item }) => ({ item, adds: true }))), { minLength: 30, maxLength: 60 })
  fc.assert(fc.property(steps, steps => {
    let few: Few<{ id: number }> = null
    const model = new Set<{ id: number }>()
    for (const { item, adds } of steps) {
      if (has(few, item) !== model.has(item)) return false
      const before: Few<{ id: number }> = few
      const all = [...each(before)]
      if (adds && !model.has(item)) few = add(few, item)
      if (!adds && model.has(item)) few = remove(few, item)
      if (Array.isArray(before) && all.join() !== [...before].join()) return false
      if (adds) model.add(item)
      else model.delete(item)
      if (size(few) !== model.size || [...each(few)].some((item, index) => item !== [...model][index])) return false
      kinds.add(few === null ? 'none' : few instanceof Set ? 'Set' : Array.isArray(few) ? `${few.length > 1}` : 'one')
    }
    return true
  }))
  t.strictSame([...kinds].sort(), ['Set', 'none', 'one', 'true'])
})

t.test('a list is read to its end, whatever is removed meanwhile', async t => {
  const items = Array.from({ length: 20 }, (_, id) => ({ id }))
  let few: Few<{ id: number }> = null
  for (const item of items) few = add(few, item)
  const seen: unknown[] = []
  for (const item of each(few)) {
    seen.push(item)
    few = remove(few, item)
  }
  t.strictSame(seen, items)
  t.equal(few, null)
})
