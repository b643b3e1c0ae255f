// Runs alone: the audit trail is that of the whole process.
import t from 'tap'
import { Recorder, typesOf } from '../../../test/audit.js'
import { MemoryTopicStore } from '../src/index.js'
import { build, HISTORY } from './helpers.js'

t.test('what clients publish is in the audit trail, and what they may not', async t => {
  const recorder = new Recorder(t)
  const store = new MemoryTopicStore()
  const append = store.append.bind(store)
  store.append = (topic, ...rest) => {
    if (topic === 'away') throw new Error('away')
    return append(topic, ...rest)
  }
  const { connect, topics } = await build(t, {
    topics: {
      store,
      topics: { '#': { history: HISTORY } },
      maxMessageBytes: 10,
      authorizePublish: (_identity, topic) => {
        if (topic === 'throws') throw new Error('no answer')
        return topic !== 'no'
      }
    }
  })
  const client = await connect()
  const cases = [
    ['yes', '1', 1, 'publication.accepted', null], ['no', '2', 1, 'publication.refused', 'forbidden'], ['yes', '3', 'too much for it', 'publication.refused', 'invalid'],
    ['yes', '1', 2, 'publication.refused', 'conflict'], ['yes', '1', 1, 'publication.accepted', null],
    ['away', '4', 1, 'publication.refused', 'unavailable'], ['throws', '5', 1, 'publication.refused', 'unavailable']
  ] as const
  for (const [topic, id, data] of cases) {
    client.send({ type: 'topic:publish', id, topic, data })
    await client.next(message => message.id === id)
  }
  await topics.publish('yes', 'of the server')
  const events = recorder.events.filter(({ type }) => type.startsWith('publication.'))
  t.same(typesOf(events), cases.map(([, , , type]) => type))
  t.same(events.map(event => [(event as { topic?: string }).topic, event.code, event.reason, event.subject]),
    cases.map(([topic, , , , reason]) => [topic, null, reason, 'alice']))
  t.notMatch(JSON.stringify(events), /too much/, 'what was sent is not in it')
})
