/** The blocks of every package's README: all of TypeScript compile, and those that are a whole server run. */
import { transform } from 'esbuild'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { tsc } from './matrix.js'
import { root, run, type Workspace } from './packages.js'

export interface Block {
  language: string
  text: string
  /** Line of the file that it begins at. */
  line: number
}

export interface Checked {
  name: string
  errors: string[]
}

/** The blocks of a text in Markdown. */
export function blocksOf (markdown: string): Block[] {
  const blocks: Block[] = []
  for (const { 1: language, 2: text, index } of markdown.matchAll(/^```(\w+)\n(.*?)^```$/gms)) {
    blocks.push({ language: language as string, text: text as string, line: markdown.slice(0, index).split('\n').length })
  }
  return blocks
}

const COMPILER_OPTIONS = {
  module: 'nodenext',
  moduleResolution: 'nodenext',
  target: 'es2023',
  lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
  types: ['node'],
  jsx: 'react-jsx',
  strict: true,
  // What tap, ioredis and the others say of themselves is not looked at here.
  skipLibCheck: true,
  noEmit: true
}

/** @param home a folder in which the packages and everything that their READMEs import are installed */
export async function * checkReadmes (packages: Workspace[], home: string, tools: string): AsyncGenerator<Checked> {
  await cp(join(import.meta.dirname, 'readme'), join(home, 'readme'), { recursive: true })
  for (const folder of ['.', ...packages.map(({ folder }) => folder)]) {
    const blocks = blocksOf(await readFile(join(root, folder, 'README.md'), 'utf8')).filter(({ language }) => /^tsx?$/.test(language))
    const name = folder === '.' ? 'root' : basename(folder)
    const files = await Promise.all(blocks.map(async ({ language, text, line }) => {
      await mkdir(join(home, name), { recursive: true })
      const file = `${name}/line-${line}.${language}`
      await writeFile(join(home, file), /^(im|ex)port /m.test(text) ? text : `${text}export {}\n`)
      return file
    }))
    if (files.length === 0) continue
    const globals = ['common', name].map(name => `readme/${name}.d.ts`).filter(file => existsSync(join(home, file)))
    const project = `tsconfig.${name}.json`
    await writeFile(join(home, project), JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files: [...globals, ...files] }))
    yield { name: `${folder}/README.md: ${files.length} blocks compile`, errors: await tsc(home, project, '7.0', tools) }
    for (const block of blocks) {
      if (isServer(block)) yield { name: `${folder}/README.md, line ${block.line}, runs`, errors: await runServer(block, home, name) }
    }
  }
}

/** Whether a block is all that a server is. */
function isServer ({ text }: Block): boolean {
  return /^const app = Fastify\(/m.test(text)
}

/** Starts a server, waits until it is ready, and closes it. */
async function runServer ({ text, line }: Block, home: string, name: string): Promise<string[]> {
  const { code } = await transform(`
    globalThis.sessions = { find: async () => ({ id: 'alice', role: 'user' }) }
    ${text.replace('port: 3000', 'port: 0')}
    await app.ready()
    await app.close()
    console.log('the server was ready and has closed')`, { loader: 'ts' })
  const file = join(home, name, `line-${line}.run.mjs`)
  await writeFile(file, code)
  try {
    const output = await run(process.execPath, [file], home, {
      ...process.env, JWT_SECRET: 'a secret of the README, 32 characters or more', CLIENT_SECRET: 'secret', UPSTREAM_TOKEN: 'token', NODE_OPTIONS: ''
    })
    return output.includes('has closed') ? [] : ['it did not come to its end', ...output.split('\n').slice(-5)]
  } catch (error) {
    return (error as Error).message.split('\n')
  }
}
