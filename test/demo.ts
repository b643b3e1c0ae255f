import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { connect } from './helpers.js'

const root = resolve(import.meta.dirname, '..')

/** Settings of the demo that this machine's environment must not decide. */
const SETTINGS = [
  'NODE_NAME', 'JWT_SECRET', 'TICKET_STORE', 'MONGODB_URL', 'REDIS_URL', 'BUS_URL', 'ALLOWED_ORIGINS', 'TICKET_TTL_MS',
  'TICKET_REUSE', 'TICKET_RATE', 'SESSION_TTL_MS', 'AUTH_TIMEOUT_MS', 'MAX_PENDING_PER_ADDRESS', 'MAX_PENDING', 'MAX_CONNECTIONS',
  'MAX_CONNECTIONS_PER_ADDRESS', 'CONNECT_RATE', 'MAX_CONNECTIONS_PER_USER',
  'MESSAGE_RATE', 'METRICS', 'INTROSPECTION_URL', 'INTROSPECTION_CLIENT_ID', 'INTROSPECTION_CLIENT_SECRET',
  'EXTERNAL_TOKEN_URL', 'EXTERNAL_REVOCATION_URL', 'UPSTREAM_URL', 'UPSTREAM_API_URL', 'UPSTREAM_TOKEN', 'TLS_CERT',
  'TLS_KEY', 'TRUST_PROXY'
]

/**
 * A process of an app on an ephemeral port, as `npm start` would run it, but from its sources. Gone with the test.
 *
 * @param unset variables that this machine's environment must not decide
 * @param what its file, and the line of its output that has its address
 */
export async function startApp (
  t: Test, name: string, unset: readonly string[], settings: Record<string, string>,
  { script = 'src/server.ts', ready = /(http:\/\/127\.0\.0\.1:\d+)/ }: { script?: string, ready?: RegExp } = {}
) {
  const env = { ...process.env }
  for (const name of unset) delete env[name]
  const child = spawn(process.execPath, ['--import', './test/runner/register.js', '--conditions=@fastify-airlock/source', `apps/${name}/${script}`], {
    cwd: root,
    env: { ...env, HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'info', ...settings },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => end(child, 'SIGKILL'))
  // A suite that is killed for its time tears nothing down: the pipe, which nobody else holds, tells of its end.
  const watchdog = spawn('sh', ['-c', 'read -r _; kill -KILL "$1"', 'sh', String(child.pid)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  child.once('exit', () => watchdog.kill('SIGKILL'))
  const log: string[] = []
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`${name} ended with ${code}: ${log.join('\n')}`)))
    createInterface({ input: child.stdout }).on('line', line => {
      log.push(line)
      const [, address] = ready.exec(line) ?? []
      if (address !== undefined) resolve(address)
    })
  })
  /** Resolves with the exit code. */
  return { url, log, stop: async (signal: NodeJS.Signals) => await end(child, signal) }
}

/** Two nodes of the demo behind one address, as `npm run start:two` would run them. Gone with the test. */
export async function startTwo (t: Test, settings: Record<string, string> = {}) {
  const { url: origin, log } = await startApp(t, 'demo', SETTINGS, settings, { script: 'two/start.ts', ready: /^Open (http:\S+) in a browser/ })
  const nodes = log.flatMap(line => {
    const [, name, origin, pid] = /^ {2}node (\w+) (http:\S+) \(process (\d+)\)$/.exec(line) ?? []
    return name === undefined ? [] : [{ name, origin: origin as string, pid: Number(pid) }]
  })
  return { origin, nodes }
}

/** A process of the demo: {@link startApp}. */
export async function startDemo (t: Test, settings: Record<string, string> = {}) {
  const { url, log, stop } = await startApp(t, 'demo', SETTINGS, settings)
  const post = async (path: string, token?: string, body?: object): Promise<Response> => await fetch(url + path, {
    method: 'POST',
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' })
    },
    ...(body !== undefined && { body: JSON.stringify(body) })
  })
  return {
    url,
    log,
    post,
    stop,
    login: async (username: string, password: string) => {
      const response = await post('/login', undefined, { username, password })
      return await response.json() as { token: string, user: { id: string, name: string, role: string } }
    },
    ticket: async (token: string) => {
      const response = await post('/ws/ticket', token)
      return await response.json() as { ticket: string, protocol: string, expiresIn: number }
    },
    connect: async (path: string, protocols: string[] = []) => await connect(t, url.replace('http', 'ws') + path, protocols)
  }
}

async function end (child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exited = once(child, 'exit')
  child.kill(signal)
  const [code] = await exited
  return code
}
