import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { buildAuthority, type BuildOptions, demoClient } from '../src/authority.js'

/** Builds the authority and keeps its log. */
export async function build (t: Test, options: BuildOptions = {}) {
  const lines: string[] = []
  const app = await buildAuthority(
    { client: demoClient, tokenTtl: 900, logLevel: 'trace' },
    { logStream: { write: line => { lines.push(line) } }, ...options }
  )
  t.teardown(() => app.close())
  return { app, lines }
}

/** Credentials as in RFC 6749, section 2.3.1. */
export function basic (id: string, secret: string): string {
  return `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`
}

export const authorization = basic(demoClient.id, demoClient.secret)

/** Sends a form, with the credentials of the client by default. */
export async function post (
  app: FastifyInstance, url: string, form: Record<string, string>, headers: Record<string, string> = { authorization }
) {
  const response = await app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload: new URLSearchParams(form).toString()
  })
  return { status: response.statusCode, headers: response.headers, body: response.body === '' ? null : response.json() }
}

export async function issue (app: FastifyInstance, username = 'alice', password = 'wonderland'): Promise<string> {
  const { body } = await post(app, '/token', { username, password }, {})
  return body.access_token
}
