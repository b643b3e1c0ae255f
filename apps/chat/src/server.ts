import closeWithGrace from 'close-with-grace'
import { randomBytes } from 'node:crypto'
import { createChat } from './app.js'
import { servePage } from './page.js'
import { addSamples, SAMPLES } from './samples.js'
import { inMemory, inRedis } from './shared.js'
import { Users } from './users.js'

const { HOST = '127.0.0.1', PORT = '3000', REDIS_URL, JWT_SECRET, TRUST_PROXY } = process.env
if (REDIS_URL !== undefined && JWT_SECRET === undefined) {
  process.stderr.write('JWT_SECRET: nodes that share a Redis need the same one\n')
  process.exit(1)
}
// With one JWT, anybody can try short ones until one fits, and then be an admin.
if (JWT_SECRET !== undefined && JWT_SECRET.length < 32) {
  process.stderr.write('JWT_SECRET: 32 characters or more\n')
  process.exit(1)
}

const { shared, bus, close } = REDIS_URL === undefined ? inMemory() : inRedis(REDIS_URL)
const users = new Users()
const app = await createChat(
  { ...shared, users, secret: JWT_SECRET ?? randomBytes(32).toString('base64') }, bus,
  { logger: true, ...TRUST_PROXY !== undefined && { trustProxy: TRUST_PROXY } }
)
app.addHook('onClose', async () => close())
await servePage(app)
await addSamples(users, shared.rooms)

const { close: end } = closeWithGrace({ delay: 9_500, logger: app.log, skip: ['SIGINT'] }, async () => { await app.close() })
// A Ctrl-C comes twice under npm, from the terminal and from npm. The second is none: the first one ends it.
process.once('SIGINT', end).on('SIGINT', () => {})
const address = await app.listen({ host: HOST, port: Number(PORT) })
app.log.info(`users: ${SAMPLES.map(({ name, password }) => `${name}/${password}`).join(', ')}`)
app.log.info(`open ${address} in a browser`)
