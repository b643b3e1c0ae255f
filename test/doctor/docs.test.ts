import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { transform } from 'esbuild'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { SECRET, sign } from './look.js'

t.setTimeout(480_000)

const root = resolve(import.meta.dirname, '../..')
const document = await readFile(join(root, 'docs/doctor.md'), 'utf8')
const NODE = ['--conditions=@fastify-airlock/source', '--import', join(root, 'test/runner/register.js')]

const blocks = (section: string, language: string): string[] => {
  const [, body = ''] = new RegExp(`^## ${section}\n(.*?)(?=^## )`, 'ms').exec(document) ?? []
  return [...body.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, block]) => block as string)
}

/** Starts a server of the document, to the letter but for its port. */
async function serve (t: Test, block: string): Promise<string> {
  const { code } = await transform(block.replace('await app.listen({ port: 3000 })', 'console.log(await app.listen({ port: 0 }))'), { loader: 'ts' })
  const file = join(t.testdir({}), 'server.mjs')
  await writeFile(file, code)
  const child = spawn(process.execPath, [...NODE, file], { env: { ...process.env, JWT_SECRET: SECRET }, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  const [line] = await once(child.stdout, 'data') as [Buffer]
  const [, port] = /:(\d+)\s*$/.exec(line.toString()) ?? []
  return port as string
}

/** Runs a command of the document. */
async function run (block: string, port: string, env: Record<string, string> = {}) {
  const [, args = ''] = /^npx @fastify-airlock\/doctor (.*)$/m.exec(block) ?? []
  const child = spawn(process.execPath, [...NODE, join(root, 'packages/doctor/src/bin.ts'), ...args.replace('3000', port).split(' ')], {
    env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe']
  })
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { output, errors, code }
}

t.test('a plain server: what is open', async t => {
  const [server = ''] = blocks('A plain server, and what is open', 'ts')
  const [, command = ''] = blocks('A plain server, and what is open', 'sh')
  const [lines = '', finding = ''] = blocks('A plain server, and what is open', 'text')
  const { output, errors, code } = await run(command, await serve(t, server))
  t.equal(code, 1)
  t.match(errors, /^ws:\S+: \d+ rules, at most \d+ requests, 20 a second\n$/)
  const open = output.split('\n').filter(line => /^ {2}(?:OPEN|weak) /.test(line)).map(line => line.trim())
  t.same(open, lines.trim().split('\n'))
  t.ok(output.includes(finding), 'and the first of them, as the document shows it')
})

t.test('the doors are added: nothing is open', async t => {
  const [server = ''] = blocks('Add the doors', 'ts')
  const [, command = ''] = blocks('Add the doors', 'sh')
  const [last = ''] = blocks('Add the doors', 'text')
  const exp = Math.floor(Date.now() / 1_000) + 3_600
  const { output, code } = await run(command, await serve(t, server), { AIRLOCK_TOKEN: sign({ sub: 'alice', exp }), AIRLOCK_TOKEN_2: sign({ sub: 'bob', exp }) })
  t.equal(code, 0, output)
  t.ok(output.split('\n').some(line => line.includes(last.trim())), output)
})
