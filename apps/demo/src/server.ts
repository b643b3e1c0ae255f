import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.js'
import { loadConfig } from './config.js'
import { demoUsers } from './users.js'

/** Time for answering what is under way at shutdown, in milliseconds; whoever is slower is cut off. */
const DRAIN_MS = 5_000

try {
  await start()
} catch (error) {
  process.stderr.write(`${String(error)}\n`)
  process.exit(1)
}

async function start (): Promise<void> {
  readEnvFile()
  const config = loadConfig(process.env)
  const app = await buildApp(config)

  closeWithGrace({ delay: 9_000, logger: app.log }, async ({ signal, err }) => {
    if (err !== undefined) app.log.fatal({ err }, 'unexpected error, closing')
    else app.log.info({ signal }, 'closing')
    // Node alone waits a minute for a request whose headers never end.
    setTimeout(() => app.server.closeAllConnections(), DRAIN_MS).unref()
    await app.close()
  })

  await app.listen({ host: config.host, port: config.port })
  const users = demoUsers.map(({ id, password, role }) => `${id}/${password} (${role})`)
  app.log.info(`demo users: ${users.join(', ')}`)
}

/** Settings may also stand in a file `.env` in the working directory; the environment wins. */
function readEnvFile (): void {
  try {
    process.loadEnvFile()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
