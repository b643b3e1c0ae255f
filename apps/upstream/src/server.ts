import closeWithGrace from 'close-with-grace'
import { buildUpstream } from './app.js'
import { loadConfig } from './config.js'

/** Signals of faults in the process itself, after which nothing of it can be trusted. Deno refuses listeners for them. */
const FAULTS: Array<'SIGILL' | 'SIGBUS' | 'SIGFPE' | 'SIGSEGV'> = ['SIGILL', 'SIGBUS', 'SIGFPE', 'SIGSEGV']

try {
  const config = loadConfig(process.env)
  const app = await buildUpstream(config)
  closeWithGrace({ delay: 5_000, logger: app.log, skip: FAULTS }, async ({ signal, err }) => {
    app.log.info({ signal, err }, 'closing')
    await app.close()
  })
  await app.listen({ host: config.host, port: config.port })
} catch (error) {
  process.stderr.write(`${String(error)}\n`)
  process.exit(1)
}
