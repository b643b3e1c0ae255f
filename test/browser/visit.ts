import { mkdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import type { Test } from 'tap'
import type { Watched } from './chromium.js'

const images = resolve(import.meta.dirname, '../../docs/images')

/** What the README may weigh, in bytes for each picture. */
const MAX_IMAGE_BYTES = 200_000

/** The demo's page, in the words that a person or a screen reader finds on it. */
export function pageOf (page: Page) {
  const doors = page.locator('#doors')
  const button = (name: string): Locator => page.getByRole('button', { name, exact: true })
  const userButton = (name: string): Locator => page.getByRole('button', { name: new RegExp(`^Log in as ${name}`) })
  const status = (value: string): Locator => page.locator(`#doors[data-status=${value}]`)
  return {
    doors,
    button,
    /** Logs one of the demo's users in. */
    userButton,
    /** The diagram, while the connection is at this point. */
    status,
    step: (name: string): Locator => doors.locator(`[data-step=${name}]`),
    /** What the page says about the connection. */
    sentence: doors.getByRole('status'),
    log: page.getByRole('log'),
    /** Lines of the log. */
    entries: (kind: 'in' | 'out' | 'event' | 'bad', text: string | RegExp): Locator =>
      page.getByRole('log').locator(`li[data-kind=${kind}]`).filter({ hasText: text }),
    scenario: (id: string): Locator => page.locator(`[data-scenario=${id}]`),
    /** The outcome of all scenarios that were tried. */
    allHeld: async (count: number): Promise<void> => {
      await page.getByText(`${count} of ${count} held`, { exact: true }).waitFor({ timeout: 60_000 })
    },
    login: async (name: string): Promise<void> => {
      await userButton(name).click()
      await button('Log out').waitFor()
    },
    connect: async (): Promise<void> => {
      await button('Connect').click()
      await status('open').waitFor()
    },
    isOut: async (): Promise<void> => {
      await userButton('Alice').waitFor()
    }
  }
}

/** Opens a page of the demo; throws where it has none. */
export async function visit ({ page }: Watched, url: string): Promise<void> {
  const response = await page.goto(url)
  if (response?.status() !== 200) throw new Error(`${url}: ${response?.status()}; is the page built? npm run build -w @fastify-airlock/demo-page`)
}

/** What has to hold whatever somebody did on the page. */
export async function keepsSecrets (t: Test, { page, urls }: Watched, url: string): Promise<void> {
  const origins = [...new Set(urls.filter(url => !url.startsWith('data:')).map(url => new URL(url).host))]
  t.same(origins, [new URL(url).host], 'nothing was asked of third parties')
  t.notMatch(urls.join('\n'), /eyJ/, 'no JWT in any URL')
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]))
  t.notMatch(kept, /eyJ|[\w-]{43}/, 'neither JWT nor ticket is left where scripts could find it')
  t.notMatch(await page.locator('body').innerText(), /eyJ[\w-]{20}|[\w-]{43}/, 'nor where somebody could look over a shoulder')
}

/** A picture for the README, where `AIRLOCK_SCREENSHOTS` asks for one: from this element down. */
export async function takePicture (t: Test, page: Page, name: string, from = 'body'): Promise<void> {
  if (!process.env.AIRLOCK_SCREENSHOTS) return
  await mkdir(images, { recursive: true })
  const path = join(images, `${name}.png`)
  await page.locator(from).evaluate(element => element.scrollIntoView())
  await page.mouse.move(0, 0)
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' })
  const { size } = await stat(path)
  t.ok(size < MAX_IMAGE_BYTES, `${name}.png has ${size} bytes`)
}
