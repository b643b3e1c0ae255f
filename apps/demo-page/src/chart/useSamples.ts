import { useEffect, useState } from 'react'
import { log } from '../log/log.js'
import { Rates, type Sample } from './rates.js'

/** Time between two samples, in milliseconds. */
const SAMPLE_MS = 1_000

/** Samples between two requests to the server. Fewer requests while it is away, since browsers log each failed one. */
const ASK_EVERY = 2
const ASK_AWAY_EVERY = 10

/** Measures while the page is visible, and returns the samples of the last minutes. */
export function useSamples (): readonly Sample[] {
  const [rates] = useState(() => new Rates())
  const [samples, setSamples] = useState<readonly Sample[]>([])
  useEffect(() => {
    let connections: number | null = null
    let timer: ReturnType<typeof setInterval> | undefined
    let askIn = 0
    const ask = async () => {
      connections = await askConnections()
      askIn = connections === null ? ASK_AWAY_EVERY : ASK_EVERY
    }
    const sample = () => {
      if (--askIn === 0) ask()
      rates.add(Date.now(), log.traffic, connections)
      setSamples(rates.samples)
    }
    const look = () => {
      clearInterval(timer)
      if (document.hidden) return rates.interrupt()
      ask()
      timer = setInterval(sample, SAMPLE_MS)
    }
    look()
    document.addEventListener('visibilitychange', look)
    return () => {
      clearInterval(timer)
      document.removeEventListener('visibilitychange', look)
    }
  }, [rates])
  return samples
}

async function askConnections (): Promise<number | null> {
  try {
    const response = await fetch('/healthz')
    return response.ok ? (await response.json() as { connections: number }).connections : null
  } catch {
    return null
  }
}
