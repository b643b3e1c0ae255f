/**
 * Two nodes of the demo with one Redis, behind one address: `npm run start:two` at the root of the repository. It takes the demo's
 * environment and `.env`: `HOST` and `PORT` are those of the address, `REDIS_URL` is a Redis to use in place of one of its own.
 */
import { findRedis, isSkip } from '@fastify-airlock/test-servers'
import { randomBytes } from 'node:crypto'
import { loadConfig, withEnvFile } from '../src/config.js'
import { logStreamFor } from '../src/log-stream.js'
import { startStandIns } from '../src/stand-ins.js'
import { demoUsers } from '../src/users.js'
import { DemoNode } from './demo-node.js'
import { type Place, startProxy } from './proxy.js'

const NAMES = ['one', 'two']

const nodes: DemoNode[] = []
/** What nodes use, and has to end after them; the latest first. */
const closers: Array<() => Promise<void> | void> = []
let ending: Promise<void> | undefined
let signals = 0

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A Ctrl-C comes twice under npm, from the terminal and from npm: the second does not yet say that somebody is in a hurry.
    if (++signals > 2) {
      for (const node of nodes) node.kill('SIGKILL')
    } else if (ending === undefined) {
      say('Ending. Another Ctrl-C kills the nodes.')
      end(0)
    }
  })
}

try {
  await start()
} catch (error) {
  if (ending === undefined) process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  await end(1)
}

async function start (): Promise<void> {
  Object.assign(process.env, withEnvFile(process.env, '.env'))
  const redis = await findRedis()
  if (isSkip(redis)) throw new Error(redis.skip)
  closers.push(() => redis.stop())
  const environment: NodeJS.ProcessEnv = {
    TICKET_STORE: 'redis',
    JWT_SECRET: randomBytes(32).toString('base64url'),
    // What is said here has to stay on the screen.
    LOG_LEVEL: 'warn',
    ...filled(process.env),
    REDIS_URL: redis.url
  }
  const config = loadConfig(environment)
  const { host, port } = config
  // First, since another demo may have the port.
  const places: Place[] = []
  const proxy = await startProxy(places, { host, port })
  closers.push(() => proxy.close())
  // Both nodes need the same systems, stand-ins or not.
  const standIns = await startStandIns(config)
  closers.push(() => standIns.close())
  const { authority, authorityClient, upstream, upstreamToken } = standIns.config
  Object.assign(environment, {
    INTROSPECTION_URL: authority?.introspection,
    INTROSPECTION_CLIENT_ID: authorityClient.id,
    INTROSPECTION_CLIENT_SECRET: authorityClient.secret,
    EXTERNAL_TOKEN_URL: authority?.token,
    EXTERNAL_REVOCATION_URL: authority?.revocation,
    UPSTREAM_URL: upstream?.socket,
    UPSTREAM_API_URL: upstream?.api,
    UPSTREAM_TOKEN: upstreamToken
  })

  const log = logStreamFor(process.stdout) ?? process.stdout
  for (const [index, name] of NAMES.entries()) {
    const PORT = String(port === 0 ? 0 : port + 1 + index)
    nodes.push(new DemoNode(name, { ...environment, PORT }, line => { log.write(line) }))
  }
  const addresses = await Promise.all(nodes.map(async node => new URL(await node.address)))
  for (const { name, ended } of nodes) ended.then(code => { lost(name, code) })
  places.push(...addresses.map(placeOf))
  const address = new URL(addresses[0]!)
  address.port = String(proxy.port)
  say([
    '',
    'Started',
    `  redis ${redis.url.replace(/\/\/.*@/, '//')} (${redis.kind})`,
    ...standIns.started.map(line => `  ${line}`),
    ...nodes.map(({ name, pid }, index) => `  node ${name} ${addresses[index]!.origin} (process ${pid})`),
    '',
    `Open ${address.origin} in a browser: both nodes in turn, connection by connection. Each node's own address leads to it alone.`,
    `Users: ${demoUsers.map(({ id, password, role }) => `${id}/${password} (${role})`).join(', ')}`,
    `To see a node die: kill -9 ${nodes.at(-1)!.pid}. To end everything: Ctrl-C.`,
    ''
  ].join('\n'))
}

function lost (name: string, code: number | NodeJS.Signals): void {
  if (ending !== undefined) return
  const others = nodes.filter(({ isRunning }) => isRunning)
  say(`Node ${name} has ended with ${code}. ${others.length > 0 ? `Node ${others[0]!.name} goes on.` : 'It was the last.'}`)
  if (others.length === 0) end(1)
}

/** Ends everything that was started, once. */
function end (code: number): Promise<void> {
  ending ??= close().finally(() => process.exit(code))
  return ending
}

async function close (): Promise<void> {
  await Promise.all(nodes.map(async node => {
    node.kill('SIGTERM')
    await node.ended
  }))
  while (closers.length > 0) await closers.pop()?.()
}

function placeOf ({ hostname, port }: URL): Place {
  // An IPv6 address in a URL has brackets.
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }
}

/** Without variables that are empty, which count as not set. */
function filled (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
}

function say (text: string): void {
  process.stdout.write(`${text}\n`)
}
