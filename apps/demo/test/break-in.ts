import type { Test } from 'tap'
import { WebSocket } from 'ws'

/** The part of the page's scenarios that is used here. Their types need a browser. */
export interface Scenario {
  id: string
  expected: object
  run (tools: object): Promise<object>
}

interface Page {
  scenarios: readonly Scenario[]
  judge (answer: object, expected: object): string
}

const SOURCES = new URL('../../demo-page/src/break-in/', import.meta.url)

/** What a frame of another origin posts to its page. */
interface FrameMessage {
  source: object
  data: { code: number }
}

/**
 * Loads the scenarios of the page with as much of a browser as they use, and nothing more.
 *
 * @param originOf finds the server that they attack
 */
export async function loadScenarios (t: Test, originOf: () => string): Promise<Page> {
  const listeners = new Set<(message: FrameMessage) => void>()
  const { fetch, setTimeout } = globalThis
  const globals: Record<string, unknown> = {
    location: { get href () { return originOf() } },
    fetch: async (path: string, init?: RequestInit) => await fetch(new URL(path, originOf()), init),
    // The patience of a person at a page is no deadline of a test.
    setTimeout: (act: () => void, delay: number) => setTimeout(act, delay >= 10_000 ? 10 * delay : delay),
    WebSocket: class extends WebSocket {
      constructor (url: URL, protocols: string[]) {
        super(url, protocols, { origin: originOf() })
        this.on('error', () => {})
      }
    },
    document: { createElement: createFrame, body: { append: (frame: ReturnType<typeof createFrame>) => { queueMicrotask(() => frame.load()) } } },
    addEventListener: (_type: string, listener: (message: FrameMessage) => void) => { listeners.add(listener) },
    removeEventListener: (_type: string, listener: (message: FrameMessage) => void) => { listeners.delete(listener) }
  }
  for (const [name, value] of Object.entries(globals)) t.intercept(globalThis, name as keyof typeof globalThis, { value, configurable: true, writable: true })
  const { scenarios } = await import(new URL('scenarios.ts', SOURCES).href)
  const { judge } = await import(new URL('verdict.ts', SOURCES).href)
  return { scenarios, judge }

  /** A sandboxed frame: the origin of what is in it is `null`. */
  function createFrame () {
    let load = (): void => {}
    const contentWindow = {
      postMessage ({ url, protocols }: { url: string, protocols: string[] }) {
        const socket = new WebSocket(url, protocols, { origin: 'null' })
        socket.on('error', () => {})
        socket.on('close', code => { for (const listener of listeners) listener({ source: contentWindow, data: { code } }) })
      }
    }
    return {
      contentWindow,
      setAttribute () {},
      addEventListener (_type: string, listener: () => void) { load = listener },
      remove () {},
      load: () => load()
    }
  }
}
