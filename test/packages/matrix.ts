/** Compiles a consumer of the packages with every TypeScript, module resolution and layout of `node_modules`. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './packages.js'

export const TYPESCRIPTS = ['5.2', '5.4', '5.6', '5.9', '6.0', '7.0']

/** What of the errors is not ours: types of Fastify, since 5.12, need TypeScript 5.4. */
const THEIRS: Record<string, RegExp> = { 5.2: /^node_modules[/\\].*fastify[/\\]types[/\\].*'NoInfer'/ }

type Resolution = 'bundler' | 'node16' | 'nodenext'

export interface Cell {
  layout: string
  typescript: string
  resolution: Resolution | 'not strict'
  /** The package into which the consumer merges its claims. */
  merged: string
  files: string[]
  page: boolean
}

/** Packages whose `WsIdentityTypes` an application can merge its claims into. */
export const MERGEABLE = ['fastify-airlock', ...['core', 'guard', 'introspect', 'proxy'].map(name => `@fastify-airlock/${name}`)]

const SERVER = ['server.ts', 'claims.ts', 'merged.ts', 'errors.ts', 'dynamic.cts']

export function cells (): Cell[] {
  const all: Cell[] = []
  for (const typescript of TYPESCRIPTS) {
    for (const resolution of ['bundler', 'node16', 'nodenext'] as const) {
      const files = [...SERVER, 'core.ts']
      // Before, TypeScript does not know that Node can require what this package is.
      if (resolution === 'nodenext' && Number(typescript) >= 5.8) files.push('require.cts')
      all.push({ layout: 'npm', typescript, resolution, merged: '@fastify-airlock/core', files, page: true })
    }
    // How packages are found in folders is the same for each resolution.
    all.push({ layout: 'pnpm', typescript, resolution: 'nodenext', merged: '@fastify-airlock/guard', files: SERVER, page: true })
  }
  all.push({ layout: 'pnpm', typescript: '7.0', resolution: 'bundler', merged: 'fastify-airlock', files: SERVER, page: true })
  all.push({ layout: 'npm', typescript: '7.0', resolution: 'not strict', merged: '@fastify-airlock/core', files: ['dynamic.cts', 'core.ts', 'claims.ts'], page: false })
  for (const merged of MERGEABLE.filter(name => name !== '@fastify-airlock/core')) {
    for (const typescript of ['5.4', '7.0']) {
      all.push({ layout: 'pnpm', typescript, resolution: 'nodenext', merged, files: ['claims.ts', 'merged.ts'], page: false })
    }
  }
  return all
}

/** @returns the compiler's errors, none where it is content */
export async function compile (folder: string, cell: Cell, tools: string): Promise<string[]> {
  const { layout, typescript, resolution, merged, files, page } = cell
  const base = join(folder, layout)
  const sources = `src-${merged.split('/').at(-1)}`
  await writeSources(base, sources, merged)
  const strict = resolution !== 'not strict'
  const how = strict ? resolution : 'nodenext'
  const compilerOptions = {
    module: how === 'bundler' ? 'esnext' : how,
    moduleResolution: how,
    target: 'es2022',
    lib: ['es2022'],
    types: ['node'],
    strict,
    exactOptionalPropertyTypes: strict,
    noUncheckedIndexedAccess: strict,
    skipLibCheck: false,
    noEmit: true
  }
  const programs = [{ name: 'server', compilerOptions, files }]
  if (page) {
    programs.push({
      name: 'page',
      compilerOptions: { ...compilerOptions, lib: ['es2022', 'dom', 'dom.iterable'], types: [], ...{ jsx: 'react-jsx' } },
      files: ['page.tsx']
    })
  }
  const errors: string[] = []
  for (const { name, compilerOptions, files } of programs) {
    const project = `tsconfig.${[name, typescript, how, strict, sources, files.length].join('-')}.json`
    await writeFile(join(base, project), JSON.stringify({ compilerOptions, files: files.map(file => `${sources}/${file}`) }))
    errors.push(...await tsc(base, project, typescript, tools))
  }
  return errors.filter(error => THEIRS[typescript]?.test(error) !== true)
}

/** @returns the first line of each error */
export async function tsc (folder: string, project: string, typescript: string, tools: string): Promise<string[]> {
  const compiler = join(tools, 'node_modules', `typescript-${typescript}`, 'bin/tsc')
  try {
    await run(process.execPath, [compiler, '--pretty', 'false', '-p', project], folder)
    return []
  } catch (error) {
    return (error as Error).message.split('\n').slice(1).filter(line => /^\S/.test(line))
  }
}

const written = new Set<string>()

async function writeSources (base: string, name: string, merged: string): Promise<void> {
  const folder = join(base, name)
  if (written.has(folder)) return
  written.add(folder)
  await cp(join(import.meta.dirname, 'consumer'), folder, { recursive: true })
  await writeFile(join(folder, 'errors.ts'), await readFile(join(base, 'errors.ts')))
  const claims = join(folder, 'claims.ts')
  await writeFile(claims, (await readFile(claims, 'utf8')).replaceAll('PACKAGE', merged))
}
