/// <reference path="../recipes/oidc-provider.d.ts" />
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'
import type { Test } from 'tap'

/** What the provider calls the page, which has no secret, and the server, which asks about tokens. */
export const PAGE = 'chat-page'
export const SERVER = { clientId: 'chat-server', clientSecret: 'a secret of the server, for tests' }

/** What the access tokens are for. */
export const AUDIENCE = 'https://chat.example.com'

export interface Tokens {
  access_token: string
  id_token: string
  refresh_token: string
}

/** Starts an OpenID provider whose access tokens are opaque, or JWTs. */
export async function startProvider (t: Test, accessTokenFormat: 'opaque' | 'jwt') {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const issuer = `http://127.0.0.1:${port}`
  /** Nobody answers there: this is the page of a test. */
  const redirectUri = `${issuer}/page/callback`
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  // It reminds of what a provider for others than tests has to have.
  for (const method of ['info', 'warn'] as const) t.intercept(console, method, { value: () => {} })
  const provider = new Provider(issuer, {
    clients: [
      { client_id: PAGE, token_endpoint_auth_method: 'none', redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'] },
      { client_id: SERVER.clientId, client_secret: SERVER.clientSecret, redirect_uris: [], response_types: [], grant_types: [] }
    ],
    jwks: { keys: [{ ...await exportJWK(privateKey), kid: 'one', alg: 'RS256', use: 'sig' }] },
    cookies: { keys: ['a key of the provider, for tests'] },
    findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
    issueRefreshToken: () => true,
    features: {
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: 'chat', audience: AUDIENCE, accessTokenFormat, jwt: { sign: { alg: 'RS256' } } })
      }
    }
  })
  server.on('request', provider.callback())
  const stop = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
  t.teardown(async () => { if (server.listening) await stop() })

  const post = async (path: string, form: Record<string, string>): Promise<Response> =>
    await fetch(issuer + path, { method: 'POST', body: new URLSearchParams({ client_id: PAGE, ...form }) })

  return {
    issuer,
    endpoint: `${issuer}/token/introspection`,

    /** A user signs in with a browser, by the authorization code flow with PKCE, and the page gets the tokens. */
    async login (sub: string): Promise<Tokens> {
      const verifier = randomBytes(32).toString('base64url')
      const visit = openBrowser(redirectUri)
      let at = await visit(`${issuer}/auth?${new URLSearchParams({
        client_id: PAGE,
        response_type: 'code',
        scope: 'openid chat',
        redirect_uri: redirectUri,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256'
      })}`)
      // First the page that asks for a name, then the one that asks for consent.
      while (!at.url.startsWith(redirectUri)) {
        const [, prompt] = /name="prompt" value="(\w+)"/.exec(at.page) as unknown as [string, string]
        const [, action] = /<form[^>]* action="([^"]+)"/.exec(at.page) as unknown as [string, string]
        at = await visit(new URL(action, at.url).href, { prompt, ...(prompt === 'login' && { login: sub, password: 'any' }) })
      }
      const code = new URL(at.url).searchParams.get('code') as string
      const response = await post('/token', { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier })
      return await response.json() as Tokens
    },

    /** New tokens, or `null` where the provider gives none any more. */
    async renew ({ refresh_token: token }: Tokens): Promise<Tokens | null> {
      const response = await post('/token', { grant_type: 'refresh_token', refresh_token: token })
      return response.ok ? await response.json() as Tokens : null
    },

    /** Takes a token back. That of a refresh token takes all back that came from the login. */
    async revoke (token: string): Promise<void> {
      const { status } = await post('/token/revocation', { token })
      if (status !== 200) throw new Error(`revocation: ${status}`)
    },

    /** Has a single access token end before its time. The provider's own way takes all of the login. */
    async expire (token: string): Promise<void> {
      const { AccessToken } = provider as unknown as { AccessToken: { find (token: string): Promise<{ destroy (): Promise<void> }> } }
      await (await AccessToken.find(token)).destroy()
    },

    stop
  }
}

/** A browser, as far as the provider can tell; it stops where it is sent to the page. */
function openBrowser (until: string) {
  const jar = new Map<string, string>()
  return async function visit (url: string, form?: Record<string, string>): Promise<{ url: string, page: string }> {
    const response = await fetch(url, {
      method: form === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: { cookie: [...jar].map(pair => pair.join('=')).join('; ') },
      ...(form !== undefined && { body: new URLSearchParams(form) })
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) as unknown as [string, string, string]
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    const location = response.headers.get('location')
    const next = location === null ? url : new URL(location, url).href
    return location === null || next.startsWith(until) ? { url: next, page: await response.text() } : await visit(next)
  }
}
