import Fastify from 'fastify'
import t from 'tap'
import { authorityOf, createSemicolonCheck, isPlainTarget } from '../src/index.js'

t.test('a target has no fragment and no user information', async t => {
  for (const [url, plain, originalUrl] of [
    ['/', true], ['/a?b=@', true], ['/a#b', false], ['/a?b#', false], ['*', true], ['http://h/a@b', true], ['http://h', true], ['http://u@h/a', false],
    ['HTTP://u:p@h', false], ['http://@h/', false], ['http://h?u@h', true], ['/new', true, '/old'], ['/new', false, '/old#x'], [undefined, true]
  ] as const) {
    t.equal(isPlainTarget({ url, originalUrl }), plain, `${url} ${originalUrl}`)
  }
})

t.test('the authority of the absolute form', async t => {
  for (const [url, authority] of [['/a', undefined], ['http://h:1/a', 'h:1'], ['http://h', 'h'], ['*', undefined], [undefined, undefined]] as const) {
    t.equal(authorityOf({ url }), authority, String(url))
  }
})

t.test('a query that begins with a semicolon, if the router has it', async t => {
  for (const [options, splits] of [[{}, false], [{ useSemicolonDelimiter: true }, true], [{ routerOptions: { useSemicolonDelimiter: true } }, true]] as const) {
    const begins = createSemicolonCheck(Fastify(options as object))
    t.equal(begins({ url: '/a;b?c' }), splits)
    t.equal(begins({ url: '/a?b;c' }), false)
    t.equal(begins({}), false)
  }
})
