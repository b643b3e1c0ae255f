import { findChromium, requireServer } from '@fastify-airlock/test-servers'
import { type CDPSession, chromium } from 'playwright-core'
import type { Test } from 'tap'
import { until } from '../helpers.js'

/** What Playwright turns off: Chromium then throttles hidden tabs as it does for people. */
const UNTHROTTLED = ['--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding']

/** Answers of the DevTools protocol, as far as they are read here. */
interface Answer {
  result?: { result?: { value?: unknown }, exceptionDetails?: object }
  error?: { message: string }
}

/**
 * A tab of a real window. A page of Playwright's is never hidden: it is told that it has the focus, whatever is in front
 * of it. So these tabs are opened behind Playwright's back, by the DevTools protocol.
 */
export class Tab {
  readonly #browser: CDPSession
  readonly #sessionId: string
  readonly #answers = new Map<number, (answer: Answer) => void>()
  #id = 0

  constructor (browser: CDPSession, sessionId: string) {
    this.#browser = browser
    this.#sessionId = sessionId
    browser.on('Target.receivedMessageFromTarget', event => {
      if (event.sessionId !== sessionId) return
      const { id, ...answer } = JSON.parse(event.message) as Answer & { id: number }
      this.#answers.get(id)?.(answer)
    })
  }

  /** Has a script run, which works in a hidden tab and in a frozen one as well. Resolves with what it returns. */
  async run (expression: string): Promise<unknown> {
    const answer = await this.#send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
    if (answer.result?.exceptionDetails !== undefined) throw new Error(JSON.stringify(answer.result.exceptionDetails))
    return answer.result?.result?.value
  }

  /** Waits until a condition holds in the tab. Asks from outside: timers of the tab may stand still. */
  async until (condition: string): Promise<void> {
    await until(async () => await this.run(`!!(${condition})`) === true)
  }

  /** Brings the tab to the front, and so hides the others. */
  async show (): Promise<void> {
    await this.#send('Page.bringToFront')
  }

  /** Stops its tasks, timers included, as Chromium does with tabs that were not looked at for long; or lets them go on. */
  async freeze (frozen: boolean): Promise<void> {
    await this.#send('Page.setWebLifecycleState', { state: frozen ? 'frozen' : 'active' })
  }

  async #send (method: string, params: object = {}): Promise<Answer> {
    const id = ++this.#id
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#answers.set(id, resolve)
      this.#browser.send('Target.sendMessageToTarget', { sessionId: this.#sessionId, message: JSON.stringify({ id, method, params }) }).catch(reject)
    })
    this.#answers.delete(id)
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`)
    return answer
  }
}

/** A real Chromium whose tabs hide each other; `null` where there is none. It ends with the test. */
export async function openWindow (t: Test) {
  const found = requireServer(t, findChromium())
  if (found === null) return null
  const browser = await chromium.launch({
    executablePath: found.path,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run'],
    ignoreDefaultArgs: UNTHROTTLED
  })
  t.teardown(() => browser.close())
  const session = await browser.newBrowserCDPSession()
  return {
    /** One more tab, in front of the others. */
    newTab: async (url: string): Promise<Tab> => {
      const { targetId } = await session.send('Target.createTarget', { url })
      const { sessionId } = await session.send('Target.attachToTarget', { targetId, flatten: false })
      return new Tab(session, sessionId)
    }
  }
}
