import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLocalJWKSet, exportJWK, generateKeyPair, type JWTHeaderParameters, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import Provider from 'oidc-provider'
import type { Test } from 'tap'

/** What the provider calls the application. */
export const CLIENT = { id: 'chat', secret: 'a secret of the application, for tests' }

/** What an ID token says of a login. */
export interface Login {
  sub: string
  sid?: string
  auth_time: number
}

/**
 * Starts an OpenID provider, with pages for logging in and out.
 *
 * @param sessionRequired whether the application wants to know which of a user's logins has ended
 */
export async function startProvider (t: Test, { sessionRequired = true } = {}) {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const key = { kid: 'one', alg: 'RS256', use: 'sig' }
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  /** Nobody answers there: this is the browser of a test. */
  const redirectUri = `${issuer}/application/callback`
  const privateJwk = await exportJWK(privateKey)
  const outcomes: string[] = []

  // It reminds of what a provider for others than tests has to have.
  for (const method of ['info', 'warn'] as const) t.intercept(console, method, { value: () => {} })

  /** Has the provider tell an application of logouts, and opens it. */
  function serve (application: string): void {
    const provider = new Provider(issuer, {
      clients: [{
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        redirect_uris: [redirectUri],
        require_auth_time: true,
        backchannel_logout_uri: `${application}/backchannel-logout`,
        backchannel_logout_session_required: sessionRequired
      }],
      jwks: { keys: [{ ...privateJwk, ...key }] },
      cookies: { keys: ['a key of the provider, for tests'] },
      findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
      // By default it does not connect to addresses of this machine.
      fetch: async (url: string, { dispatcher, ...options }: RequestInit & { dispatcher?: unknown }) => await fetch(url, options),
      features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } }
    })
    provider.on('backchannel.error', (_context: unknown, error: Error) => { outcomes.push(error.message) })
    provider.on('backchannel.success', () => { outcomes.push('done') })
    server.on('request', provider.callback())
  }

  const keys = createLocalJWKSet({ keys: [{ ...await exportJWK(publicKey), ...key }] })

  /** A browser, as far as the provider can tell. */
  function openBrowser () {
    const jar = new Map<string, string>()

    async function visit (url: string, form?: Record<string, string>): Promise<{ url: string, page: string }> {
      const response = await fetch(url, {
        method: form === undefined ? 'GET' : 'POST',
        redirect: 'manual',
        headers: { cookie: [...jar].map(pair => pair.join('=')).join('; ') },
        ...(form !== undefined && { body: new URLSearchParams(form) })
      })
      for (const cookie of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) as RegExpExecArray
        if (value === '') jar.delete(name as string)
        else jar.set(name as string, value as string)
      }
      const location = response.headers.get('location')
      const next = location === null ? url : new URL(location, url).href
      if (location !== null && !next.startsWith(redirectUri)) return await visit(next)
      return { url: next, page: await response.text() }
    }

    /** Where the form of a page leads to. */
    const actionOf = ({ url, page }: { url: string, page: string }): string =>
      new URL(/<form[^>]* action="([^"]+)"/.exec(page)?.[1] as string, url).href

    return {
      /** Logs in by the authorization code flow, and returns what the ID token says. */
      async login (sub: string): Promise<Login> {
        const verifier = randomBytes(32).toString('base64url')
        const nonce = randomBytes(16).toString('base64url')
        let at = await visit(`${issuer}/auth?${new URLSearchParams({
          client_id: CLIENT.id,
          response_type: 'code',
          scope: 'openid',
          redirect_uri: redirectUri,
          nonce,
          code_challenge: createHash('sha256').update(verifier).digest('base64url'),
          code_challenge_method: 'S256'
        })}`)
        // First the page that asks for a name, then the one that asks for consent.
        while (!at.url.startsWith(redirectUri)) {
          const prompt = /name="prompt" value="(\w+)"/.exec(at.page)?.[1] as string
          at = await visit(actionOf(at), { prompt, ...(prompt === 'login' && { login: sub, password: 'any' }) })
        }
        const response = await fetch(`${issuer}/token`, {
          method: 'POST',
          headers: { authorization: `Basic ${Buffer.from([CLIENT.id, CLIENT.secret].map(encodeURIComponent).join(':')).toString('base64')}` },
          body: new URLSearchParams({
            grant_type: 'authorization_code',
            code: new URL(at.url).searchParams.get('code') as string,
            redirect_uri: redirectUri,
            code_verifier: verifier
          })
        })
        const { id_token: idToken } = await response.json() as { id_token: string }
        const { payload } = await jwtVerify(idToken, keys, { issuer, audience: CLIENT.id })
        if (payload.nonce !== nonce) throw new Error('a foreign ID token')
        return payload as unknown as Login
      },

      /** Logs out at the provider. */
      async logout (): Promise<void> {
        const at = await visit(`${issuer}/session/end`)
        const xsrf = /name="xsrf" value="(\w+)"/.exec(at.page)?.[1] as string
        await visit(actionOf(at), { xsrf, logout: 'yes' })
      }
    }
  }

  return {
    issuer,
    jwksUri: `${issuer}/jwks`,
    serve,
    openBrowser,
    /** What the application has answered to each logout: `done`, or what went wrong. */
    outcomes,
    /** Signs anything with the key of the provider. */
    sign: async (claims: JWTPayload, header: Partial<JWTHeaderParameters> = {}, secret: Parameters<SignJWT['sign']>[0] = privateKey): Promise<string> =>
      await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'one', typ: 'logout+jwt', ...header }).sign(secret)
  }
}
