import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import { startApp } from '../demo.js'
import type { Watched } from './chromium.js'

const SETTINGS = ['REDIS_URL', 'JWT_SECRET', 'TRUST_PROXY']

const PASSWORDS = { alice: 'wonderland', bob: 'builder', carol: 'christmas', admin: 'admin' }

/** A process of the chat. Gone with the test. */
export async function startChat (t: Test, settings: Record<string, string> = {}) {
  return await startApp(t, 'chat', SETTINGS, settings)
}

/** The page of the chat, in the words that a person or a screen reader finds on it. */
export function chatOf (page: Page, room = 'lobby') {
  const region = page.getByRole('region', { name: room, exact: true })
  const field = region.getByRole('textbox', { name: `Message to ${room}` })
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const logInAs = async (name: keyof typeof PASSWORDS, password = PASSWORDS[name]): Promise<void> => {
    await page.getByLabel('Name').fill(name)
    await page.getByLabel('Password').fill(password)
    await button('Log in').click()
  }
  return {
    region,
    field,
    button,
    logInAs,
    /** Logs one of the users in, and waits until the room is there. */
    enter: async (name: keyof typeof PASSWORDS): Promise<void> => {
      await logInAs(name)
      await region.getByRole('heading', { name: /^Here: / }).waitFor()
    },
    /** The connection, while it is like this. */
    connection: (status: 'open' | 'waiting' | 'closed') => page.locator(`.connection[data-status=${status}]`),
    say: async (text: string): Promise<void> => {
      await field.fill(text)
      await field.press('Enter')
    },
    /** What was said by whom, own messages that are not sent yet included. */
    lines: region.getByRole('log').locator('li[data-own]'),
    line: (text: string) => region.getByRole('log').locator('li[data-own]').filter({ hasText: text }),
    /** Waits until exactly these are there, as `alice (you)` or `bob 2 devices`. */
    isHere: async (...people: string[]): Promise<void> => {
      const list = region.getByRole('complementary')
      await list.getByRole('heading', { name: `Here: ${people.length}`, exact: true }).waitFor()
      for (const [index, text] of people.entries()) await list.getByRole('listitem').nth(index).and(list.getByText(new RegExp(`^${text.replace(/[()]/g, '\\$&')}$`))).waitFor()
    },
    /** Goes on typing until this has been seen: who pauses does not type any more. */
    typeUntil: async (seen: Promise<unknown>): Promise<void> => {
      const done = seen.then(() => true)
      for (let text = 'I'; ; text += '.') {
        await field.fill(text)
        if (await Promise.race([done, page.waitForTimeout(1_000)])) return
      }
    },
    /** Waits until the page says so; `''` is nobody. */
    typing: async (text: string): Promise<void> => {
      await region.locator('.typing').filter({ hasText: text === '' ? /^$/ : text }).waitFor({ state: 'attached' })
    }
  }
}

/** Opens the chat; throws where its page is not built. */
export async function visitChat ({ page }: Watched, url: string): Promise<void> {
  const response = await page.goto(url)
  if (response?.status() !== 200) throw new Error(`${url}: ${response?.status()}; is the page built? npm run build -w @fastify-airlock/chat`)
}
