import { access, mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { launch } from '../src/server.js'
import { ServerProcess } from '../src/process.js'

/** Starts a child in a session of its own, and one more below that, as PostgreSQL does. */
const FAMILY = 'setsid sh -c "echo \\$\\$ >child; sleep 1000 & echo \\$! >grandchild; echo ready; wait" & wait'

async function start (t: Test, script: string): Promise<{ server: ServerProcess, folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'airlock-test-'))
  const server = await ServerProcess.start({ command: 'sh', args: ['-c', script], ready: /ready/, folder })
  t.teardown(() => server.stop())
  return { server, folder }
}

async function states (folder: string): Promise<string[]> {
  return await Promise.all(['child', 'grandchild'].map(async name => {
    const pid = (await readFile(join(folder, name), 'utf8')).trim()
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') gone')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ', 1)[0] as string
  }))
}

t.test('children of a server are stopped, resumed and killed with it', { skip: process.platform !== 'linux' && 'reads /proc' }, async t => {
  const { server, folder } = await start(t, FAMILY)
  for (const state of await states(folder)) t.match(state, /^[RSD]$/)
  await server.pause()
  t.same(await states(folder), ['T', 'T'])
  server.resume()
  for (const state of await states(folder)) t.not(state, 'T')
  await server.pause()
  await server.kill()
  for (const state of await states(folder)) t.match(state, /^(gone|Z|X)$/)
  await server.kill()
  await server.stop()
  await t.rejects(access(folder), 'its data are gone')
})

t.test('one that ends early says why, and leaves nothing', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'airlock-test-'))
  const command = { command: 'sh', args: ['-c', 'echo out of luck; exit 3'], ready: /ready/, folder }
  await t.rejects(ServerProcess.start(command), { message: 'ended early with 3: out of luck' })
  await t.rejects(access(folder))
})

t.test('a folder is prepared once, before the first start', async t => {
  const server = await launch('test', {
    kind: 'a shell',
    command: 'sh',
    prepare: 'echo prepared >>log',
    args: (_folder, port) => ['-c', `echo ${port} >>log; cat log; echo ready; sleep 1000`],
    ready: /prepared\n(\d+\n)+ready/,
    login: 'somebody'
  })
  t.teardown(() => server.stop())
  t.match(server.url, /^test:\/\/somebody@127\.0\.0\.1:\d+$/)
  await server.kill()
  await server.restart()
  await t.rejects(launch('test', { kind: '', command: 'sh', prepare: 'echo no >&2; false', args: () => [], ready: /never/ }), /no$/)
})

t.test('a port that was taken meanwhile is given up for another', async t => {
  for (const words of ['OSError: [Errno 98] Address already in use', 'Failed listening on port 20000 (TCP), aborting.', 'FATAL:  could not create any TCP/IP sockets']) {
    const ports = new Set<number>()
    const server = await launch('test', {
      kind: '',
      command: 'sh',
      ready: /^listening$/m,
      args: (_, port) => ['-c', ports.add(port).size === 1 ? `echo '${words}' >&2; exit 1` : 'echo listening; sleep 1000']
    })
    await server.stop()
    t.equal(ports.size, 2, words)
  }
  let starts = 0
  await t.rejects(launch('test', { kind: '', command: 'sh', ready: /never/, args: () => ['-c', `echo ${++starts} address already in use; exit 1`] }), /3 address/)
  t.equal(starts, 3)
})
