import { rules } from '@fastify-airlock/doctor'
import { scenarios } from '@fastify-airlock/doctor/scenarios'
import { readFile } from 'node:fs/promises'
import t from 'tap'

const read = async (name: string): Promise<string> => await readFile(new URL(`../docs/${name}`, import.meta.url), 'utf8')

t.test('docs/doctor.md lists every rule', async t => {
  const table = rules.map(({ id, title, section, level }) => `| \`${id}\` | ${title}${level === 'should' ? ' (should)' : ''} | ${section} |`)
  t.same([...(await read('doctor.md')).matchAll(/^\| `[a-z-]+` \|.*$/gm)].map(([row]) => row), table)
})

t.test('every scenario of the page is a rule', async t => {
  for (const { id } of scenarios) t.ok(rules.some(rule => rule.id === id), id)
})

t.test('each item of the server checklist has a rule, or is named here with the reason', async t => {
  const [, checklist = ''] = /^### 14\.2 Server\n(.*?)^## /ms.exec(await read('PROTOCOL.md')) ?? []
  const items = [...checklist.matchAll(/^(\d+)\. /gm)].map(([, item]) => Number(item))
  t.equal(items.length, 18)
  const covered = new Set(rules.flatMap(({ section }) => [...section.matchAll(/14\.2 \(([\d, ]+)\)/g)].flatMap(([, list]) => (list as string).split(', ').map(Number))))
  const BEYOND: Record<number, string> = {
    10: 'what the application receives is its own: only it can tell whether a message is untouched',
    15: 'a sign of life comes after 25 s of silence of an application that nobody knows to be silent',
    17: 'topics are names of the application, with rights that nobody outside knows',
    18: 'who may see whom is a matter of the application, which nobody outside knows'
  }
  for (const item of items) t.ok(covered.has(item) !== item in BEYOND, `item ${item}`)
})

t.test('each section that a rule names exists', async t => {
  const protocol = await read('PROTOCOL.md')
  const threats = await read('threat-model.md')
  for (const { id, section } of rules) {
    for (const part of section.replace(/ \([\d, ]+\)/g, '').split(', ')) {
      if (/^\d+(\.\d+)?$/.test(part)) t.match(protocol, new RegExp(`^##+ ${part.replace('.', '\\.')}\\.? `, 'm'), `${id}: ${part}`)
      else if (/^T\d+$/.test(part)) t.match(threats, new RegExp(`^\\*\\*${part}\\.`, 'm'), `${id}: ${part}`)
    }
  }
})
