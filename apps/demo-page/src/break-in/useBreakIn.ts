import { type Answer, describeAnswer, describeExpected, judge, type Scenario, type Verdict } from '@fastify-airlock/doctor/scenarios'
import { useRef, useState } from 'react'
import { log } from '../log/log.js'
import { makeTools } from './tools.js'

/** The state of a scenario. */
export type Run =
  | { state: 'running', wait: { left: number, whole: number } | null }
  | { state: 'over', verdict: Verdict, answer: Answer | null, text: string, took: number }

/** Runs scenarios, each on its own sockets, and keeps their results. */
export function useBreakIn () {
  const [runs, setRuns] = useState<Readonly<Record<string, Run>>>({})
  const stopper = useRef<AbortController | null>(null)
  const [all, setAll] = useState(false)
  const [news, setNews] = useState('')

  const set = (id: string, run: Run | null) => setRuns(({ [id]: _last, ...others }) => run === null ? others : { ...others, [id]: run })

  const attempt = async ({ id, title, expected, run }: Scenario, signal: AbortSignal): Promise<Verdict | null> => {
    set(id, { state: 'running', wait: null })
    const begun = performance.now()
    const over = (verdict: Verdict, answer: Answer | null, text: string): Verdict => {
      set(id, { state: 'over', verdict, answer, text, took: performance.now() - begun })
      setNews(`${title}: ${verdict}, ${text}`)
      log[verdict === 'held' ? 'event' : 'bad'](id, `${verdict}: ${text}; expected ${describeExpected(expected)}`)
      return verdict
    }
    try {
      const answer = await run(makeTools(id, signal, (left, whole) => set(id, { state: 'running', wait: { left, whole } })))
      return over(judge(answer, expected), answer, describeAnswer(answer))
    } catch (error) {
      if (!signal.aborted) return over('unclear', null, `Could not be tried: ${error instanceof Error ? error.message : String(error)}`)
      set(id, null)
      return null
    }
  }

  return {
    runs,
    /** The last result, for screen readers. */
    news,
    /** Whether all scenarios are running, one after the other. */
    all,
    tryOne: (scenario: Scenario) => attempt(scenario, new AbortController().signal),
    async tryAll (scenarios: readonly Scenario[]) {
      const { signal } = stopper.current = new AbortController()
      setAll(true)
      setRuns({})
      const count = { held: 0, others: 0 }
      for (const scenario of scenarios) {
        const verdict = await attempt(scenario, signal)
        if (signal.aborted) break
        count[verdict === 'held' ? 'held' : 'others']++
      }
      setNews(`Done: ${count.held} held, ${count.others} did not.`)
      setAll(false)
    },
    stop: () => stopper.current?.abort()
  }
}
