import closeWithGrace from 'close-with-grace'
import { buildUpstream } from './app.js'
import { loadConfig } from './config.js'

try {
  const config = loadConfig(process.env)
  const app = await buildUpstream(config)
  closeWithGrace({ delay: 5_000, logger: app.log }, async ({ signal, err }) => {
    app.log.info({ signal, err }, 'closing')
    await app.close()
  })
  await app.listen({ host: config.host, port: config.port })
} catch (error) {
  process.stderr.write(`${String(error)}\n`)
  process.exit(1)
}
