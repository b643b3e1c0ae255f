import type { TellListener } from '@fastify-airlock/hub'
import t from 'tap'
import { RefusalSearch } from '../src/refusal-search.js'
import type { Refusal } from '../src/refusals.js'

const ATTEMPT = 'an-attempt-that-is-long-enough'
const REFUSAL = { statusCode: 401, code: 'CODE', message: 'no' }

/** Nodes that hear each other at once. Real ones are in `nodes.ts`; these can also tell what no node tells. */
function cluster (count: number) {
  const nodes = Array.from({ length: count }, (_, index) => ({ id: `node ${index}`, listeners: new Map<string, TellListener>() }))
  const told: string[] = []
  const tell = (from: string, name: string, data: unknown, to = 'others') => {
    told.push(name)
    for (const { id, listeners } of nodes) {
      if (to === 'others' ? id !== from : to === id || to === 'all') listeners.get(name)?.(data, { node: from, own: id === from })
    }
  }
  return {
    told,
    tell,
    of: (index: number) => {
      const { id, listeners } = nodes[index]!
      return {
        tell: (name: string, data: unknown, { to }: { to?: string } = {}) => tell(id, name, data, to),
        on: (name: string, listener: TellListener) => {
          listeners.set(name, listener)
          return () => {}
        }
      }
    }
  }
}

/** A node that has kept these. */
function search (of: ReturnType<ReturnType<typeof cluster>['of']>, kept: Record<string, Refusal>, patience = 60_000): RefusalSearch {
  return new RefusalSearch({ cluster: of, find: attempt => kept[attempt] ?? null, patience })
}

t.test('the node that has it answers', async t => {
  const { of } = cluster(3)
  const [one] = [search(of(0), {}), search(of(1), { [ATTEMPT]: REFUSAL }), search(of(2), {})]
  t.strictSame(await one.find(ATTEMPT), REFUSAL)
})

t.test('nobody has it, within the patience', async t => {
  const { of } = cluster(2)
  const [one] = [search(of(0), {}, 1), search(of(1), {})]
  t.equal(await one.find(ATTEMPT), null)
})

t.test('one question for all that ask, and none for what is no attempt', async t => {
  const { of, tell, told } = cluster(1)
  const one = search(of(0), {})
  const asked = [one.find(ATTEMPT), one.find(ATTEMPT)]
  t.equal(await one.find('short'), null)
  t.strictSame(told, ['demo/refusal/ask'])
  tell('node 7', 'demo/refusal/found', { attempt: ATTEMPT, refusal: REFUSAL })
  t.strictSame(await Promise.all(asked), [REFUSAL, REFUSAL])
})

t.test('what is told by somebody who is no node harms nobody', async t => {
  const { of, tell, told } = cluster(1)
  const one = search(of(0), { [ATTEMPT]: REFUSAL })
  const answer = one.find('another-attempt-that-is-long')
  for (const data of [null, 7, 'text', {}, { attempt: 'another-attempt-that-is-long' }, ...[{}, { statusCode: 'x' }, { statusCode: 1, code: 2 }, { statusCode: 1, code: 'C' }].map(refusal => ({ attempt: 'another-attempt-that-is-long', refusal }))]) {
    tell('node 7', 'demo/refusal/found', data)
    tell('node 7', 'demo/refusal/ask', data)
  }
  tell('node 7', 'demo/refusal/found', { attempt: 'unknown', refusal: REFUSAL })
  t.equal(told.filter(name => name === 'demo/refusal/found').length, 10, 'nothing is answered')
  tell('node 0', 'demo/refusal/ask', ATTEMPT, 'all')
  t.equal(told.filter(name => name === 'demo/refusal/found').length, 10, 'nor to oneself')
  one.close()
  t.equal(await answer, null, 'what waits is told at the end')
})

t.test('at most a thousand at a time', async t => {
  const { of } = cluster(1)
  const one = search(of(0), {})
  const asked = Array.from({ length: 1_000 }, (_, index) => one.find(`attempt-number-${String(index).padStart(5, '0')}`))
  t.equal(await one.find(ATTEMPT), null)
  one.close()
  t.ok((await Promise.all(asked)).every(answer => answer === null))
})
