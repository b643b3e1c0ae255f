import { findChromium, requireServer } from '@fastify-airlock/test-servers'
import { chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'

/** A page in a real Chromium, and all that went wrong in it; `null` where there is no Chromium. */
export async function openBrowser (t: Test) {
  const found = requireServer(t, findChromium())
  if (found === null) return null
  const browser = await chromium.launch({
    executablePath: found.path,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })
  t.teardown(() => browser.close())
  return {
    browser,
    /** A page with cookies of its own. */
    newPage: async (): Promise<{ page: Page, problems: string[] }> => {
      const page = await (await browser.newContext()).newPage()
      const problems: string[] = []
      page.on('pageerror', error => problems.push(String(error)))
      page.on('console', message => { if (message.type() === 'error') problems.push(message.text()) })
      return { page, problems }
    }
  }
}
