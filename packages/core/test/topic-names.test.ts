import t from 'tap'
import { concernsTopic, fitsTopic, isTopic, isTopicPattern } from '../src/index.js'

t.test('what is a topic', async t => {
  for (const topic of ['a', 'a/b', '/', '+', 'x'.repeat(256), Array(64).fill('').join('/') + 'a']) t.equal(isTopic(topic), true, topic)
  for (const topic of ['', 7, null, 'x'.repeat(257), 'ä'.repeat(129), Array(66).fill('').join('/')]) t.equal(isTopic(topic), false, String(topic))
  for (const pattern of ['a', '#', 'a/#', '+/b', '*']) t.equal(isTopicPattern(pattern), true, pattern)
  for (const pattern of ['', '#/a', 'a/#/b']) t.equal(isTopicPattern(pattern), false, pattern)
})

t.test('which topics a pattern of an option fits', async t => {
  const cases: Array<[pattern: string, topic: string, fits: boolean]> = [
    ['a', 'a', true], ['a', 'b', false], ['+', 'a', true], ['*', 'a', true], ['+', 'a/b', false], ['a/+', 'a', false], ['a/#', 'a', true], ['a/#', 'a/b/c', true],
    ['#', 'a/b', true], ['a/+/c', 'a/b/c', true], ['a/b', 'a/c', false], ['a', 'a/b', false]
  ]
  for (const [pattern, topic, fits] of cases) t.equal(fitsTopic(pattern, topic), fits, `${pattern} ${topic}`)
})

t.test('which topics an order concerns', async t => {
  const cases: Array<[topic: string | undefined, wildcard: boolean, name: string, concerns: boolean]> = [
    [undefined, false, 'a', true], ['a', false, 'a', true], ['a', false, 'b', false], ['+', false, 'a', false], ['+', true, 'a', true], ['*', true, 'a', false],
    ['a/#', true, 'a', true], ['a/#', true, 'a/b', true], ['a/b', true, 'a', false], ['a/+', true, 'a/b/c', false], ['a/+', true, 'a/b', true]
  ]
  for (const [topic, wildcard, name, concerns] of cases) t.equal(concernsTopic({ topic, wildcard }, name), concerns, `${topic} ${name}`)
})
