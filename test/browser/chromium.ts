import { findChromium, requireServer } from '@fastify-airlock/test-servers'
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'

/** What the browser itself says on the console, whatever the page does. */
export const REFUSED_UPGRADE = /WebSocket connection to .* failed/
export const UNAUTHORIZED = /Failed to load resource: .* status of 401/
export const UNREACHABLE = /Failed to load resource: net::ERR_|WebSocket connection to .* failed/

/** A page, and what was seen of it. */
export interface Watched {
  page: Page
  /** Uncaught errors, errors and warnings on the console, violations of the policy: in order. */
  problems: string[]
  /** URL of every request and of every WebSocket. */
  urls: string[]
  /** The problems that none of these patterns explains. */
  problemsBesides: (...expected: RegExp[]) => string[]
}

/** A real Chromium; `null` where there is none. It ends with the test. */
export async function openBrowser (t: Test, ...args: string[]) {
  const found = requireServer(t, findChromium())
  if (found === null) return null
  const browser = await chromium.launch({
    executablePath: found.path,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', ...args
    ]
  })
  t.teardown(() => browser.close())
  const newContext = async (options: BrowserContextOptions = {}): Promise<BrowserContext> => {
    const context = await browser.newContext(options)
    await context.addInitScript(`addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      console.error('content security policy:', violatedDirective, blockedURI)
    })`)
    return context
  }
  return {
    browser,
    /** Cookies and storage of its own. */
    newContext,
    /** One more page, in a context of its own unless told. */
    newPage: async (context?: BrowserContext): Promise<Watched> => watch(await (context ?? await newContext()).newPage())
  }
}

function watch (page: Page): Watched {
  const problems: string[] = []
  const urls: string[] = []
  page.on('pageerror', error => problems.push(String(error)))
  page.on('console', message => { if (['error', 'warning'].includes(message.type())) problems.push(message.text()) })
  page.on('request', request => urls.push(request.url()))
  page.on('websocket', socket => urls.push(socket.url()))
  return {
    page,
    problems,
    urls,
    problemsBesides: (...expected) => problems.filter(problem => !expected.some(pattern => pattern.test(problem)))
  }
}
