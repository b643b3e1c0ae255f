import closeWithGrace from 'close-with-grace'
import { buildAuthority } from './authority.js'
import { demoClient } from './client.js'
import { loadConfig } from './config.js'
import { demoUsers } from './users.js'

/** Signals of faults in the process itself, after which nothing of it can be trusted. Deno refuses listeners for them. */
const FAULTS: Array<'SIGILL' | 'SIGBUS' | 'SIGFPE' | 'SIGSEGV'> = ['SIGILL', 'SIGBUS', 'SIGFPE', 'SIGSEGV']

try {
  await start()
} catch (error) {
  process.stderr.write(`${String(error)}\n`)
  process.exit(1)
}

async function start (): Promise<void> {
  const config = loadConfig(process.env)
  const app = await buildAuthority(config)

  closeWithGrace({ delay: 5_000, logger: app.log, skip: FAULTS }, async ({ signal, err }) => {
    if (err !== undefined) app.log.fatal({ err }, 'unexpected error, closing')
    else app.log.info({ signal }, 'closing')
    await app.close()
  })

  await app.listen({ host: config.host, port: config.port })
  // Only the public secret may be logged.
  if (config.client.secret === demoClient.secret) app.log.warn(`demo only, the secret is public: client ${demoClient.id}/${demoClient.secret}`)
  app.log.info(`demo users: ${demoUsers.map(({ sub, password, role }) => `${sub}/${password} (${role})`).join(', ')}`)
}
