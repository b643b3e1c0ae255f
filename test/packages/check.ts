/**
 * What a consumer of the packages meets, from the tarballs that `npm publish` would upload: whether they compile in every
 * set-up, whether the blocks of the READMEs compile and run, and whether a quick start works in an empty folder.
 *
 * Usage: `node --import tsx check.ts [compile] [readmes] [start]`, by default all, after a build.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { cells, compile, type Cell, TYPESCRIPTS } from './matrix.js'
import { install, pack, publishable, type Workspace } from './packages.js'
import { checkReadmes } from './readmes.js'
import { checkCommands, checkStart, checkTarballs } from './start.js'

/** What a consumer has beside the packages. None of the optional peers is among it. */
const PEERS = {
  '@fastify/jwt': '^10.2.8',
  '@fastify/websocket': '^11.3.6',
  '@types/node': '^20.19.0',
  '@types/react': '^19.3.0',
  fastify: '^5.12.8',
  react: '^19.3.1'
}

/** What only the blocks of READMEs need. */
const OPTIONAL_PEERS = {
  '@fastify/auth': '^5.1.1',
  '@fastify/cookie': '^11.1.5',
  '@fastify/mongodb': '^10.0.1',
  '@fastify/passport': '^4.0.3',
  '@fastify/rate-limit': '^11.2.0',
  '@fastify/session': '^11.1.3',
  '@nats-io/transport-node': '~3.3.1',
  '@types/pg': '^8.23.1',
  '@types/ws': '^8.18.2',
  'fastify-plugin': '^6.0.1',
  ioredis: '^5.11.1',
  jose: '^6.2.18',
  mongodb: '^7.9.0',
  'mqemitter-redis': '^7.2.1',
  pg: '^8.23.1',
  'prom-client': '^15.1.3',
  tap: '21.8.0',
  ws: '^8.23.0'
}

/** Packages that bring nothing but other packages: with pnpm an application that uses these names none of the others. */
const HIDDEN = ['@fastify-airlock/core', '@fastify-airlock/protocol', '@fastify-airlock/client']

const parts = process.argv.length > 2 ? process.argv.slice(2) : ['compile', 'readmes', 'start']
const folder = await mkdtemp(join(tmpdir(), 'airlock-packages-'))
let passed = 0
let failed = 0
try {
  const packages = publishable()
  const tarballs = files(await pack(packages, join(folder, 'tarballs')))
  const tools = join(folder, 'tools')
  if (parts.includes('compile') || parts.includes('readmes')) {
    const compilers = Object.fromEntries(TYPESCRIPTS.map(version => [`typescript-${version}`, `npm:typescript@~${version}.2`]))
    await install(tools, { dependencies: { ...compilers, pnpm: '^10.34.9' } })
  }
  if (parts.includes('compile')) await compileAll(packages, tarballs, tools)
  if (parts.includes('readmes')) {
    const home = join(folder, 'readmes')
    await install(home, { dependencies: { ...tarballs, ...PEERS, ...OPTIONAL_PEERS } })
    for await (const { name, errors } of checkReadmes(packages, home, tools)) report(name, errors)
  }
  if (parts.includes('start')) {
    for await (const { name, errors } of checkTarballs(folder)) report(name, errors)
    for await (const { name, errors } of checkCommands(packages, tarballs, join(folder, 'commands'))) report(name, errors)
    for await (const { name, errors } of checkStart(tarballs, join(folder, 'start'))) report(name, errors)
  }
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
}
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

function report (name: string, errors: string[]): void {
  if (errors.length === 0) passed++
  else failed++
  console.log(`${errors.length === 0 ? 'ok' : 'FAILED'}  ${name}`)
  for (const error of errors.slice(0, 10)) console.log(`        ${error}`)
  if (errors.length > 10) console.log(`        and ${errors.length - 10} more`)
}

async function compileAll (packages: Workspace[], tarballs: Record<string, string>, tools: string): Promise<void> {
  const direct = Object.fromEntries(Object.entries(tarballs).filter(([name]) => !HIDDEN.includes(name)))
  // Of what is hidden, a page that is not React's names the client.
  const client = { '@fastify-airlock/client': tarballs['@fastify-airlock/client'] as string }
  await install(join(folder, 'npm'), { dependencies: { ...tarballs, ...PEERS } })
  await install(
    join(folder, 'pnpm'),
    { dependencies: { ...direct, ...client, ...PEERS }, pnpm: { overrides: tarballs } },
    join(tools, 'node_modules/pnpm/bin/pnpm.cjs')
  )
  const named = packages.filter(({ name }) => !HIDDEN.includes(name))
  await writeFile(join(folder, 'npm/errors.ts'), errorsOf(packages))
  await writeFile(join(folder, 'pnpm/errors.ts'), errorsOf(named))

  const results = new Map<Cell, string>()
  const queue = cells().values()
  const all: Cell[] = []
  await Promise.all(Array.from({ length: availableParallelism() }, async () => {
    for (const cell of queue) {
      all.push(cell)
      const start = performance.now()
      const errors = await compile(folder, cell, tools)
      const { layout, typescript, resolution, merged } = cell
      report(`TypeScript ${typescript}, ${resolution}, ${layout}, claims merged into ${merged}`, errors)
      results.set(cell, errors.length === 0 ? `${((performance.now() - start) / 1000).toFixed(1)} s` : 'FAILED')
    }
  }))
  printTable(results)
}

/** A file in which the code of every error has to be a literal. */
function errorsOf (packages: Workspace[]): string {
  const entries = packages.flatMap(({ name, manifest }) => Object.keys(manifest.exports ?? {})
    // Imports jose, which a consumer of that entry has.
    .filter(entry => entry !== './package.json' && entry !== './jwks')
    .map(entry => name + entry.slice(1)))
  return [
    "import { expectType, type WideErrors } from './expect.js'",
    ...entries.map((entry, index) => `import * as package${index} from '${entry}'`),
    ...entries.map((_, index) => `expectType<[WideErrors<typeof package${index}>] extends [never] ? true : WideErrors<typeof package${index}>>(true)`)
  ].join('\n')
}

function printTable (results: Map<Cell, string>): void {
  const columns = [...new Set([...results.keys()].filter(({ page }) => page).map(({ layout, resolution }) => `${layout} ${resolution}`))]
  console.log(['\nTypeScript', ...columns.map(column => column.padEnd(13))].join('  '))
  for (const version of TYPESCRIPTS) {
    const row = columns.map(column => [...results].find(([{ typescript, layout, resolution, page }]) =>
      page && typescript === version && `${layout} ${resolution}` === column)?.[1] ?? '-')
    console.log([version.padEnd(10), ...row.map(text => text.padEnd(13))].join('  '))
  }
}

/** Tarballs as npm and pnpm name them. */
function files (tarballs: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(tarballs).map(([name, path]) => [name, `file:${path}`]))
}
