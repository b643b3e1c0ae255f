import { useEffect, useState } from 'react'
import { call } from '../session/api.js'
import { isEnding } from '../session/session-list.js'
import { session } from '../session/session.js'

/** A node of the server. */
export interface ListedNode {
  name: string
  connections: number
  /** Whether it is about to end. */
  draining: boolean
}

/** Time between two looks, in milliseconds. */
const PERIOD_MS = 3_000

/** Time after a change until the nodes have heard of it, in milliseconds. */
const SETTLE_MS = 200

/**
 * The nodes of the server, asked for while the page is visible; none before the first answer.
 *
 * @param active whether to ask at all
 * @param change asks again soon after it has changed
 */
export function useNodes (active: boolean, change: unknown): readonly ListedNode[] {
  const [nodes, setNodes] = useState<readonly ListedNode[]>([])
  useEffect(() => {
    if (!active) return
    const over = new AbortController()
    const load = async () => {
      const { current } = session
      if (document.visibilityState === 'hidden' || current === null || isEnding(current)) return
      try {
        setNodes(await call<ListedNode[]>('GET', '/nodes', { token: current.token, quiet: true, signal: over.signal }))
      } catch {
        // The list of sessions, which is asked for as often, says what is wrong.
      }
    }
    const soon = setTimeout(load, SETTLE_MS)
    const timer = setInterval(load, PERIOD_MS)
    document.addEventListener('visibilitychange', load)
    return () => {
      over.abort()
      clearTimeout(soon)
      clearInterval(timer)
      document.removeEventListener('visibilitychange', load)
    }
  }, [active, change])
  return nodes
}
