import t from 'tap'
import { setTopicHost, topicHostOf, type TopicHost } from '../src/index.js'

t.test('what a hub does for a plugin for topics is found by the instance', async t => {
  const host = {} as TopicHost
  const wsHub = {}
  t.equal(topicHostOf({}), undefined, 'no hub')
  t.equal(topicHostOf({ wsHub }), undefined, 'one of another kind')
  setTopicHost(wsHub, host)
  t.equal(topicHostOf({ wsHub }), host)
})
