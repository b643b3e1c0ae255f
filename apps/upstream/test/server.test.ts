import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { loadConfig } from '../src/config.js'
import { connect, TOKEN } from './helpers.js'

function start (t: Test, environment: NodeJS.ProcessEnv) {
  const server = spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL('../src/server.ts', import.meta.url))], {
    // IPC, so that its coverage is counted.
    env: { ...process.env, HOST: undefined, PORT: '0', UPSTREAM_TOKEN: undefined, LOG_LEVEL: undefined, ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
  t.teardown(() => server.kill('SIGKILL'))
  let output = ''
  server.stdout?.on('data', data => { output += data })
  server.stderr?.on('data', data => { output += data })
  return { server, output: () => output, ended: once(server, 'close').then(([code]) => code as number | null) }
}

t.test('listens on a free port, logs it, and closes its clients on SIGTERM', async t => {
  const { server, output, ended } = start(t, { UPSTREAM_TOKEN: TOKEN })
  let port
  while ((port = /Server listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(output())?.[1]) === undefined) {
    await once(server.stdout as NodeJS.EventEmitter, 'data')
  }
  const { opened, closed } = connect(t, Number(port))
  await opened
  server.kill('SIGTERM')
  t.equal(await closed, 1012)
  t.equal(await ended, 0)
  t.notMatch(output(), TOKEN)
})

t.test('an invalid configuration names the variables, not their values', async t => {
  const { output, ended } = start(t, { UPSTREAM_TOKEN: '', PORT: 'secret' })
  t.equal(await ended, 1)
  t.match(output(), /^FastifyError \[WSA_UPSTREAM_ERR_CONFIG\]: Invalid configuration: .*PORT must be integer.*\n$/)
  t.notMatch(output(), 'secret')
})

t.test('configuration', async t => {
  t.same(loadConfig({ UPSTREAM_TOKEN: 'x' }), { host: '127.0.0.1', port: 3001, token: 'x', logLevel: 'info' })
  t.same(loadConfig({ UPSTREAM_TOKEN: 'x', HOST: '::1', PORT: '0', LOG_LEVEL: 'warn' }), { host: '::1', port: 0, token: 'x', logLevel: 'warn' })
  t.throws(() => loadConfig({}), { code: 'WSA_UPSTREAM_ERR_CONFIG', message: /required property 'UPSTREAM_TOKEN'/ })
  t.throws(() => loadConfig({ UPSTREAM_TOKEN: '' }), { message: /UPSTREAM_TOKEN must NOT have fewer/ })
})
