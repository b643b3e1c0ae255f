import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.js'
import { loadConfig, withEnvFile } from './config.js'
import { logStreamFor } from './log-stream.js'
import { startStandIns } from './stand-ins.js'
import { demoUsers } from './users.js'

/** Signals of faults in the process itself, after which nothing of it can be trusted. Deno refuses listeners for them. */
const FAULTS: Array<'SIGILL' | 'SIGBUS' | 'SIGFPE' | 'SIGSEGV'> = ['SIGILL', 'SIGBUS', 'SIGFPE', 'SIGSEGV']

/**
 * Connections that may wait to be accepted when all clients come back at once; the kernel allows at most
 * `net.core.somaxconn`. With Node's default of 511, the other clients would try again only after seconds.
 */
const BACKLOG = 16_384

try {
  await start()
} catch (error) {
  process.stderr.write(`${String(error)}\n`)
  process.exit(1)
}

async function start (): Promise<void> {
  const standIns = await startStandIns(loadConfig(withEnvFile(process.env, '.env')))
  const { config } = standIns
  const app = await buildApp(config, { logStream: logStreamFor(process.stdout) })

  const { close } = closeWithGrace({ delay: 9_500, logger: app.log, skip: [...FAULTS, 'SIGINT'] }, async ({ signal = 'SIGINT', err }) => {
    if (err !== undefined) app.log.fatal({ err }, 'unexpected error, closing')
    else app.log.info({ signal }, 'closing')
    await app.close()
    await standIns.close()
  })
  // A Ctrl-C comes twice under npm, from the terminal and from npm. The second is none: the first one ends it.
  process.once('SIGINT', close).on('SIGINT', () => {})

  const address = await app.listen({ host: config.host, port: config.port, backlog: BACKLOG })
  for (const standIn of standIns.started) app.log.info(standIn)
  const users = demoUsers.map(({ id, password, role }) => `${id}/${password} (${role})`)
  app.log.info(`demo users: ${users.join(', ')}`)
  app.log.info(`open ${address} in a browser`)
  // What has started it may wait for that, at any level of the log.
  process.send?.(address)
}
