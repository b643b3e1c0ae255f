import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Skip } from '@fastify-airlock/test-servers'
import { which } from '../servers/src/paths.js'
import { freePort } from '../servers/src/port.js'
import { type ServerCommand, ServerProcess } from '../servers/src/process.js'

const docs = resolve(import.meta.dirname, '../../docs/deployment')
const fixtures = resolve(import.meta.dirname, '../../apps/demo/test/fixtures')

/** The certificate that the proxies show: of 127.0.0.1, signed by itself. */
export const CERTIFICATE = await readFile(join(fixtures, 'cert.pem'), 'utf8')
const KEY = await readFile(join(fixtures, 'key.pem'), 'utf8')

/** The addresses of the nodes in the files of docs/deployment. */
const DOCUMENTED_NODES = ['10.0.0.11:3000', '10.0.0.12:3000', '10.0.0.13:3000']

/** Which proxies there are. */
export type ProxyName = 'nginx' | 'haproxy' | 'caddy' | 'apache'

/** A reverse proxy that ends TLS and takes the nodes in turn. */
export interface Proxy {
  /** Its program, for a person to read. */
  kind: string
  /** Where it listens: `https://127.0.0.1:<port>`. */
  origin: string
  /** All that it has logged of requests. */
  accessLog (): Promise<string>
  /** What it has logged of errors, of nginx alone. */
  errorLog (): Promise<string>
  /** SIGKILL; resolves once it is gone. */
  kill (): Promise<void>
  /** SIGSTOP; connections stay open, nothing passes. */
  pause (): Promise<void>
  /** SIGCONT. */
  resume (): void
  /** Starts it again after {@link kill}, on the same port. */
  restart (): Promise<void>
  stop (): Promise<void>
}

/**
 * Starts a proxy before these nodes, with the very file that docs/deployment offers: only addresses, paths and sizes are
 * replaced. It dies with this process.
 *
 * @param nodes `host:port` of three nodes; of two, then the line of the third is left out
 * @param idle replaces the time that a silent connection may last, where the proxy has one, in seconds
 */
export async function startProxy (name: ProxyName, nodes: readonly string[], { idle = 75 }: { idle?: number } = {}): Promise<Proxy | Skip> {
  const { program, prepare } = PROXIES[name]
  const path = which(program)
  if (path === null) return { skip: `no ${program} on PATH` }
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), `airlock-${name}-`))
  const { command, accessLog, errorLog = async () => '' } = await prepare(path, { folder, port, nodes, idle })
  const start = async (): Promise<ServerProcess> => {
    const server = await ServerProcess.start(command)
    server.unref()
    await untilAccepts(port)
    return server
  }
  let server = await start()
  return {
    kind: `${name} (${path})`,
    origin: `https://127.0.0.1:${port}`,
    accessLog,
    errorLog,
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    restart: async () => { server = await start() },
    stop: () => server.stop()
  }
}

interface Prepared {
  command: ServerCommand
  accessLog: Proxy['accessLog']
  errorLog?: Proxy['errorLog']
}

interface Place {
  folder: string
  port: number
  nodes: readonly string[]
  idle: number
}

const PROXIES: Record<ProxyName, { program: string, prepare (command: string, place: Place): Promise<Prepared> }> = {
  nginx: { program: 'nginx', prepare: prepareNginx },
  haproxy: { program: 'haproxy', prepare: prepareHaproxy },
  caddy: { program: 'caddy', prepare: prepareCaddy },
  apache: { program: 'apache2', prepare: prepareApache }
}

async function prepareNginx (command: string, { folder, port, nodes, idle }: Place): Promise<Prepared> {
  const [certificate, key, log] = ['cert.pem', 'key.pem', 'access.log'].map(name => join(folder, name)) as [string, string, string]
  await writeFile(certificate, CERTIFICATE)
  await writeFile(key, KEY)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`)
  await writeConfiguration('nginx.conf', folder, nodes, {
    'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
    '/etc/airlock/cert.pem': certificate,
    '/etc/airlock/key.pem': key,
    '/var/log/nginx/airlock.log': log,
    'worker_connections 65536': 'worker_connections 4096',
    'proxy_read_timeout 75s': `proxy_read_timeout ${idle}s`,
    // Debian's own folders for these belong to root.
    'http {': `http { ${temporary.join(' ')}`
  })
  const server: ServerCommand = {
    command,
    // One process, so that killing it leaves no worker behind.
    args: ['-p', folder, '-c', 'nginx.conf', '-g', 'daemon off; master_process off; pid nginx.pid; error_log stderr notice; error_log errors.log error;'],
    ready: /using the "/,
    folder
  }
  return { command: server, accessLog: async () => await readFile(log, 'utf8'), errorLog: async () => await readFile(join(folder, 'errors.log'), 'utf8') }
}

async function prepareHaproxy (command: string, { folder, port, nodes, idle }: Place): Promise<Prepared> {
  const syslog = createSocket('udp4').unref()
  const lines: string[] = []
  syslog.on('message', line => lines.push(line.toString()))
  syslog.bind(0, '127.0.0.1')
  await once(syslog, 'listening')
  const certificate = join(folder, 'cert-and-key.pem')
  await writeFile(certificate, CERTIFICATE + KEY)
  await writeConfiguration('haproxy.cfg', folder, nodes, {
    'bind :443': `bind 127.0.0.1:${port}`,
    '/etc/airlock/cert-and-key.pem': certificate,
    '127.0.0.1:514': `127.0.0.1:${syslog.address().port}`,
    'maxconn 65000': 'maxconn 2000',
    'timeout tunnel 75s': `timeout tunnel ${idle}s`
  })
  const server: ServerCommand = {
    command,
    args: ['-db', '-V', '-f', join(folder, 'haproxy.cfg')],
    ready: /polling mechanism/,
    folder
  }
  return { command: server, accessLog: async () => lines.join('\n') }
}

async function prepareCaddy (command: string, { folder, port, nodes }: Place): Promise<Prepared> {
  const [certificate, key, log, errors] = ['cert.pem', 'key.pem', 'access.log', 'errors.log'].map(name => join(folder, name)) as [string, string, string, string]
  await writeFile(certificate, CERTIFICATE)
  await writeFile(key, KEY)
  await writeConfiguration('Caddyfile', folder, nodes, {
    '\n:443 {': `\n:${port} {\n\tbind 127.0.0.1`,
    '/etc/airlock/cert.pem': certificate,
    '/etc/airlock/key.pem': key,
    '/var/log/caddy/airlock.log': log,
    '/var/log/caddy/errors.log': errors,
    // The port 80 is for redirects.
    '\tadmin off': '\tadmin off\n\tauto_https disable_redirects'
  })
  return { command: started(command, ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], folder), accessLog: async () => await readAll(log, errors) }
}

async function prepareApache (command: string, { folder, port, nodes, idle }: Place): Promise<Prepared> {
  const [certificate, key, log, errors] = ['cert.pem', 'key.pem', 'access.log', 'errors.log'].map(name => join(folder, name)) as [string, string, string, string]
  await writeFile(certificate, CERTIFICATE)
  await writeFile(key, KEY)
  await writeConfiguration('apache.conf', folder, nodes, {
    'Listen 443': `Listen 127.0.0.1:${port}`,
    'VirtualHost *:443': `VirtualHost *:${port}`,
    '/etc/airlock/cert.pem': certificate,
    '/etc/airlock/key.pem': key,
    '/var/log/apache2/airlock.log': log,
    '/var/log/apache2/errors.log': errors,
    'DefaultRuntimeDir /var/run/apache2': `DefaultRuntimeDir ${folder}`,
    '/var/run/apache2/airlock.pid': join(folder, 'apache.pid'),
    '/var/run/apache2/airlock-tls': join(folder, 'tls'),
    'Timeout 60': `Timeout ${Math.min(idle, 60)}`,
    'ServerLimit 16': 'ServerLimit 2',
    'MaxRequestWorkers 1024': 'MaxRequestWorkers 128',
    ...Object.fromEntries(DOCUMENTED_NODES.slice(0, nodes.length).map(node => [`${node} upgrade=websocket connectiontimeout=1 timeout=75`, `${node} upgrade=websocket connectiontimeout=1 timeout=${idle}`]))
  })
  return { command: started(command, ['-DFOREGROUND', '-f', join(folder, 'apache.conf')], folder), accessLog: async () => await readAll(log, errors) }
}

/** For a program that says nothing when it listens. */
function started (command: string, args: string[], folder: string): ServerCommand {
  return { command: 'sh', args: ['-c', 'echo started; exec "$0" "$@"', command, ...args], ready: /^started/m, folder }
}

async function readAll (...paths: string[]): Promise<string> {
  return (await Promise.all(paths.map(async path => await readFile(path, 'utf8')))).join('')
}

/** Fills in one of the files of docs/deployment. What it is to replace must stand there, once. */
async function writeConfiguration (name: string, folder: string, nodes: readonly string[], replacements: Record<string, string>): Promise<void> {
  const lines = (await readFile(join(docs, name), 'utf8')).split('\n')
  const missing = DOCUMENTED_NODES.slice(nodes.length)
  let text = lines.filter(line => !missing.some(address => line.includes(address))).join('\n')
  const addresses = nodes.map((actual, i) => [DOCUMENTED_NODES[i], actual])
  for (const [documented, actual] of [...Object.entries(replacements), ...addresses] as Array<[string, string]>) {
    const parts = text.split(documented)
    if (parts.length !== 2) throw new Error(`docs/deployment/${name} has "${documented}" ${parts.length - 1} times`)
    text = parts.join(actual)
  }
  await writeFile(join(folder, name), text)
}

/** HAProxy has no line that says that it listens. */
async function untilAccepts (port: number): Promise<void> {
  for (let attempt = 0; attempt < 3_000; attempt++) {
    const socket = connect(port, '127.0.0.1')
    const accepted = await once(socket, 'connect').then(() => true, () => false)
    socket.destroy()
    if (accepted) return
    await sleep(20)
  }
  throw new Error(`nobody listens on port ${port}`)
}
