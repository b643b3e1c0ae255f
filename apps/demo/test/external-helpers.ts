import { buildAuthority, demoClient, TokenStore } from '@fastify-airlock/authority'
import { buildUpstream } from '@fastify-airlock/upstream'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { http, listen } from './helpers.js'

/** The key of the upstream; tests search answers and logs for it. */
export const UPSTREAM_KEY = 'the-key-of-the-upstream'

/** A server that can stop, and start again on the same port. */
export class RestartableServer {
  readonly #make: () => Promise<FastifyInstance>
  #app: FastifyInstance | undefined
  #port = 0

  constructor (t: Test, make: () => Promise<FastifyInstance>) {
    this.#make = make
    t.teardown(() => this.#app?.close())
  }

  get port () {
    return this.#port
  }

  async start () {
    this.#app = await this.#make()
    const url = await this.#app.listen({ host: '127.0.0.1', port: this.#port })
    this.#port = Number(new URL(url).port)
  }

  async kill () {
    this.#app?.server.closeAllConnections()
    await this.#app?.close()
  }
}

/** Starts the demo with a real authority and a real upstream. */
export async function listenWithSystems (t: Test, environment: NodeJS.ProcessEnv = {}) {
  const store = new TokenStore()
  const authority = new RestartableServer(t, () => buildAuthority({ client: demoClient, tokenTtl: 900, logLevel: 'silent' }, { store }))
  const upstream = new RestartableServer(t, () => buildUpstream({ token: UPSTREAM_KEY, logLevel: 'silent' }))
  await Promise.all([authority.start(), upstream.start()])
  const demo = await listen(t, {
    INTROSPECTION_URL: `http://127.0.0.1:${authority.port}/introspect`,
    INTROSPECTION_CLIENT_ID: demoClient.id,
    INTROSPECTION_CLIENT_SECRET: demoClient.secret,
    UPSTREAM_URL: `ws://127.0.0.1:${upstream.port}/ws`,
    UPSTREAM_TOKEN: UPSTREAM_KEY,
    ...environment
  })
  return { ...demo, authority, upstream, store }
}

/** Logs in at the authority through the demo, and returns the token from the cookie. */
export async function externalLogin (origin: string, username = 'alice', password = 'wonderland') {
  const { headers } = await http('POST', `${origin}/external/login`, { json: { username, password } })
  return /ext_token=([^;]+)/.exec(headers.get('set-cookie') as string)?.[1] as string
}
