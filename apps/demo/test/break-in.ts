import type { Answer, Attempt, RawSocket, Tools } from '@fastify-airlock/doctor/scenarios'
import type { Test } from 'tap'
import { WebSocket } from 'ws'

/** What the page brings to the scenarios. Its types need a browser. */
type Page = (lane: string) => Pick<Tools, 'open' | 'openElsewhere'>

const SOURCES = new URL('../../demo-page/src/break-in/', import.meta.url)

/** What a frame of another origin posts to its page. */
interface FrameMessage {
  source: object
  data: { code: number }
}

/**
 * Loads how the page opens sockets, with as much of a browser as they use, and nothing more.
 *
 * @param originOf finds the server that they attack
 */
export async function loadPage (t: Test, originOf: () => string): Promise<Page> {
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
  const { openRaw } = await import(new URL('raw.ts', SOURCES).href) as { openRaw (lane: string, attempt: Attempt): RawSocket }
  const { openFromElsewhere } = await import(new URL('foreign.ts', SOURCES).href) as { openFromElsewhere (lane: string, ticket: string): Promise<Answer> }
  return lane => ({ open: attempt => openRaw(lane, attempt), openElsewhere: async ticket => await openFromElsewhere(lane, ticket) })

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
