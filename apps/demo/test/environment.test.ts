import t from 'tap'
import { buses, busOf } from '../src/buses.js'
import { environmentSchema, variables } from '../src/environment.js'
import { ticketStores } from '../src/ticket-stores.js'
import { joinWithOr } from '../src/variable.js'
import { environmentDocs } from './environment-docs.js'

t.test('the README and .env.example document every variable: npm run docs -w apps/demo', async t => {
  for (const { file, actual, expected } of environmentDocs()) {
    t.equal(actual, expected, file)
    for (const name of Object.keys(variables)) t.ok(actual.includes(name), name)
  }
})

t.test('the schema has every variable, without what is for the documentation', async t => {
  const { properties } = environmentSchema
  t.strictSame(Object.keys(properties), Object.keys(variables))
  for (const [name, { default: value, fallback }] of Object.entries<{ default: unknown, fallback?: string }>(variables)) {
    t.notOk('fallback' in (properties[name] as object) || 'example' in (properties[name] as object), name)
    t.equal(value === '', fallback !== undefined, `${name} has a default, or says what applies without a value`)
  }
})

t.test('every ticket store and every bus takes the URLs that it documents', async t => {
  for (const [name, { url }] of Object.entries(ticketStores)) {
    if (url === undefined) continue
    t.ok(url.validate(url.example), name)
    t.match(environmentSchema.properties[url.variable], { type: 'string', default: '' })
    t.ok(url.schemes.some(scheme => url.example.startsWith(`${scheme}://`)), name)
  }
  for (const bus of buses) {
    for (const scheme of bus.schemes) t.equal(busOf(`${scheme}://host/path`), bus, scheme)
  }
  t.equal(busOf('http://host'), undefined)
})

t.test('a list in a sentence', async t => {
  t.equal(joinWithOr(['a']), 'a')
  t.equal(joinWithOr(['a', 'b']), 'a or b')
  t.equal(joinWithOr(['a', 'b', 'c']), 'a, b or c')
})
