/** The quick starts, from the tarballs, in an empty folder, on each version of Node that runs TypeScript as it is. */
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { WebSocket } from 'ws'
import { install, root, run, type Workspace } from './packages.js'
import { blocksOf, type Checked } from './readmes.js'

interface Runtimes {
  installRuntime (runtime: string): string
  withRuntime (folder: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv
}

const { installRuntime, withRuntime } = createRequire(import.meta.url)('../runner/runtimes.js') as Runtimes

/** Node 20 strips no types. */
const NODES = ['22', '24', '26']

/** The READMEs with quick starts: blocks of TypeScript that listen, each after a block of `sh` that installs. */
const QUICK_STARTS = ['README.md', 'plugins/airlock/README.md']

const SECRET = 'a secret of the quick start, 32 characters or more'

/** The command of the README that installs what no registry has yet. */
export async function * checkTarballs (folder: string): AsyncGenerator<Checked> {
  const home = join(folder, 'your-app')
  const [, names] = /^npm run tarballs -- \.\.\/your-app (.*)$/m.exec(await readFile(join(root, 'README.md'), 'utf8')) ?? []
  const errors: string[] = []
  try {
    if (names === undefined) throw new Error('README.md does not name it')
    await install(home, { dependencies: { fastify: '*', '@fastify/websocket': '*', '@fastify/jwt': '*' } })
    // A folder of its own without a package.json, below one that has it: npm would install there.
    const app = join(home, 'new')
    await run(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'tarballs.ts'), app, ...names.split(' ')], root)
    if (!existsSync(join(app, 'node_modules'))) throw new Error('It installs in the folder above')
    await run(process.execPath, ['-e', names.split(' ').map(name => `require('${name === 'airlock' ? 'fastify-airlock' : `@fastify-airlock/${name}`}')`).join(';')], app)
  } catch (error) {
    errors.push(...(error as Error).message.split('\n'))
  }
  yield { name: `README.md: npm run tarballs -- ../your-app ${names ?? ''}`, errors }
}

/** @param tarballs of all packages, as npm names them */
export async function * checkStart (tarballs: Record<string, string>, folder: string): AsyncGenerator<Checked> {
  for (const readme of QUICK_STARTS.filter(readme => existsSync(join(root, readme)))) {
    const blocks = blocksOf(await readFile(join(root, readme), 'utf8'))
    const servers = blocks.filter(({ language, text }) => language === 'ts' && text.includes('.listen('))
    if (servers.length === 0) yield { name: `${readme}: a quick start`, errors: ['no block listens'] }
    for (const server of servers) {
      const setup = blocks.findLast(({ language, text, line }) => line < server.line && language === 'sh' && /^npm (i|install) .*fastify/m.test(text))
      const home = join(folder, `${readme}-${server.line}`.replaceAll(/\W/g, '-'))
      const commands = setup?.text ?? ''
      await install(home, { dependencies: installedBy(commands, tarballs), overrides: needed(tarballs, commands) })
      await writeFile(join(home, 'server.ts'), server.text.replace('port: 3000', 'port: 0'))
      for (const node of NODES) {
        yield { name: `${readme}, line ${server.line}: the quick start on Node ${node}`, errors: await enter(home, installRuntime(`node@${node}`)) }
      }
    }
  }
}

/** The commands of the packages, as `npx` finds them where a package is installed. */
export async function * checkCommands (packages: Workspace[], tarballs: Record<string, string>, folder: string): AsyncGenerator<Checked> {
  for (const { name, manifest: { bin = {}, version } } of packages) {
    for (const command of Object.keys(bin)) {
      const home = join(folder, command)
      const { [name]: tarball, ...others } = tarballs
      await install(home, { dependencies: { [name]: tarball }, overrides: others })
      const output = await run('npx', ['--no-install', command, '--version'], home).catch((error: Error) => error.message)
      yield { name: `${name}: ${command} --version`, errors: output.trim() === version ? [] : output.split('\n') }
    }
  }
}

/** What a block of `npm i` commands names, ours from the tarballs. */
export function installedBy (commands: string, tarballs: Record<string, string>): Record<string, string> {
  const names = [...commands.matchAll(/^npm (?:i|install) (.*)$/gm)].flatMap(([, names]) => (names as string).trim().split(/\s+/))
  return Object.fromEntries(names.filter(name => !name.startsWith('-')).map(name => [name, tarballs[name] ?? '*']))
}

/** The tarballs of those packages that others bring. */
function needed (tarballs: Record<string, string>, commands: string): Record<string, string> {
  const direct = installedBy(commands, tarballs)
  return Object.fromEntries(Object.entries(tarballs).filter(([name]) => direct[name] === undefined))
}

/** Starts the server, and goes through both of its doors. */
async function enter (home: string, runtime: string): Promise<string[]> {
  const env = withRuntime(runtime, { ...process.env, JWT_SECRET: SECRET, NODE_OPTIONS: '', NODE_NO_WARNINGS: '1' })
  const child = spawn('node', ['server.ts'], { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', text => { errors += text })
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.once('error', reject).once('exit', code => reject(new Error(`the server ended with ${code}: ${errors}`)))
      createInterface({ input: child.stdout }).on('line', line => {
        const [, port] = /listening at http:\/\/.*:(\d+)/.exec(line) ?? []
        if (port !== undefined) resolve(`http://127.0.0.1:${port}`)
      })
    })
    const jwt = sign({ sub: 'alice', role: 'user', exp: Math.floor(Date.now() / 1000) + 600 })
    const response = await fetch(`${url}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${jwt}` } })
    if (response.status !== 201) return [`POST /ws/ticket: ${response.status} ${await response.text()}`]
    const { ticket, protocol } = await response.json() as { ticket: string, protocol: string }
    const [first, second] = await talk(url, [protocol, `ticket.${ticket}`], jwt)
    return first?.includes('"auth_ok"') && second?.includes('hello') ? [] : [`the server said ${first}, then ${second}`]
  } catch (error) {
    return [String(error)]
  } finally {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
}

/** @returns the answers to the first frame and to a message */
async function talk (url: string, protocols: string[], token: string): Promise<string[]> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, protocols, { origin: 'https://app.example.com' })
  const messages: string[] = []
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('open', () => socket.send(JSON.stringify({ type: 'auth', token })))
    socket.on('close', (code, reason) => reject(new Error(`closed with ${code} ${String(reason)}`)))
    socket.on('message', data => {
      messages.push(String(data))
      if (messages.length === 1) socket.send('hello')
      else resolve()
    })
  })
  socket.removeAllListeners('close').terminate()
  return messages
}

/** A JWT of the server's secret, made without the library that checks it. */
function sign (claims: object): string {
  const input = [{ alg: 'HS256', typ: 'JWT' }, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`
}
