// Runs alone: blocks replace the clock of their process.
import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import type { AirlockOptions } from 'fastify-airlock'
import t, { type Test } from 'tap'
import { testServer } from '../src/index.js'
import { build } from './build.js'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
const blocks = [...readme.matchAll(/^## ([^\n]*)\n(?:(?!^## ).)*?^```ts\n(.*?)^```$/gms)]

/** An application that the README is about. */
async function application (options: AirlockOptions = {}) {
  const app = await build({ guard: { allowedOrigins: ['https://app.example.com'] }, ...options })
  app.post<{ Body: { name: string } }>('/login', async ({ body }) => ({ token: app.jwt.sign({ sub: body.name }, { expiresIn: 60 }) }))
  return app
}

t.test('every section with code has its block here', async t => {
  t.same(blocks.map(([, title]) => title), ['Usage', 'Devices', 'The client of your page', 'Several nodes', 'A node that is killed', 'Stores, buses and services that fail', 'Clocks', 'States that have no event', 'Bad links'])
  t.equal(readme.match(/^```ts$/gm)?.length, blocks.length)
})

for (const [, title = '', block = ''] of blocks) {
  t.test(`the block under "${title}" runs as it stands there`, async t => {
    if (title === 'Usage') return await runsWithNodeTest(t, block)
    const app = await application()
    t.teardown(() => app.close())
    await run(t, block, { app, assert, build: async (options: AirlockOptions) => await application(options), testServer })
  })
}

/** Runs a block with what the README takes for granted. */
async function run (t: Test, block: string, given: Record<string, unknown>): Promise<void> {
  const imports = /^import .*\n/gm
  const names = Object.keys(given).filter(name => !new RegExp(`^import .*\\b${name}\\b`, 'm').test(block))
  const file = await write(t, [...block.match(imports) ?? [], `export default async ({ ${names.join(', ')} }: any) => {\n`, block.replace(imports, ''), '}\n'].join(''))
  const { default: body } = await import(pathToFileURL(file).href) as { default: (given: object) => Promise<void> }
  await body(given)
  t.pass('it runs')
}

/** The same with the runner of Node itself, in a process. */
async function runsWithNodeTest (t: Test, block: string): Promise<void> {
  const file = await write(t, `import { build } from './build.js'\n${block}`)
  const child = spawn(process.execPath, ['--conditions=@fastify-airlock/source', '--import', join(import.meta.dirname, '../../../test/runner/register.js'), file], {
    env: { ...process.env, AIRLOCK_COVERAGE: '', NODE_TEST_CONTEXT: undefined }, stdio: ['ignore', 'pipe', 'inherit']
  })
  const output = await text(child.stdout)
  t.match(output, /pass 1\n/)
  t.match(output, /fail 0\n/)
}

async function write (t: Test, code: string): Promise<string> {
  // In this folder, so that its imports resolve as they do here.
  const file = join(import.meta.dirname, `.block-${process.pid}-${t.name.replaceAll(/\W/g, '-')}.ts`)
  await writeFile(file, code)
  t.teardown(async () => { await rm(file, { force: true }) })
  return file
}
