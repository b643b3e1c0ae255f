import { buildApp, loadConfig } from '../../apps/demo/src/app.js'
import { main } from './src/cli.js'
const config = loadConfig({ JWT_SECRET: 'a secret of the tests that is long enough', LOG_LEVEL: 'warn' })
const app = await buildApp(config, { page: new URL('../../apps/demo/test/fixtures/page/', import.meta.url).pathname })
await app.listen({ host: '127.0.0.1', port: 0 })
const port = (app.server.address() as any).port
const login = async (username: string, password: string) => (await (await fetch(`http://127.0.0.1:${port}/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username, password }) })).json()).token
const env = { AIRLOCK_TOKEN: await login('alice', 'wonderland'), AIRLOCK_TOKEN_2: await login('bob', 'builder') }
const code = await main([`ws://127.0.0.1:${port}/ws/demo`, '--ticket', '/ws/ticket', '--forbidden', `ws://127.0.0.1:${port}/ws/admin`, ...process.argv.slice(2)], { env, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr })
console.log('exit', code)
await app.close()
process.exit(0)
