import { useRef, useState } from 'react'
import { log } from '../log/log.js'
import type { Scenario } from './scenarios.js'
import { makeTools } from './tools.js'
import { type Answer, describeAnswer, describeExpected, judge, type Verdict } from './verdict.js'

/** How a scenario stands. */
export type Run =
  | { state: 'running', wait: { left: number, whole: number } | null }
  | { state: 'over', verdict: Verdict, answer: Answer | null, text: string, took: number }

/** Runs scenarios, each on sockets of its own, and keeps what came of them. */
export function useBreakIn () {
  const [runs, setRuns] = useState<Readonly<Record<string, Run>>>({})
  const stopper = useRef<AbortController | null>(null)
  const [all, setAll] = useState(false)
  const [news, setNews] = useState('')

  const set = (id: string, run: Run | null) => setRuns(({ [id]: _last, ...others }) => run === null ? others : { ...others, [id]: run })

  const attempt = async ({ id, title, expected, run }: Scenario, signal: AbortSignal) => {
    set(id, { state: 'running', wait: null })
    const begun = performance.now()
    const over = (verdict: Verdict, answer: Answer | null, text: string) => {
      set(id, { state: 'over', verdict, answer, text, took: performance.now() - begun })
      setNews(`${title}: ${verdict}, ${text}`)
      log[verdict === 'held' ? 'event' : 'bad'](id, `${verdict}: ${text}; expected ${describeExpected(expected)}`)
    }
    try {
      const answer = await run(makeTools(id, signal, (left, whole) => set(id, { state: 'running', wait: { left, whole } })))
      over(judge(answer, expected), answer, describeAnswer(answer))
    } catch (error) {
      if (signal.aborted) set(id, null)
      else over('unclear', null, `Could not be tried: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  return {
    runs,
    /** What came of the last one, for those who do not see it. */
    news,
    /** Whether all of them are being run. */
    all,
    tryOne: (scenario: Scenario) => attempt(scenario, new AbortController().signal),
    async tryAll (scenarios: readonly Scenario[]) {
      const { signal } = stopper.current = new AbortController()
      setAll(true)
      setRuns({})
      for (const scenario of scenarios) {
        if (signal.aborted) break
        await attempt(scenario, signal)
      }
      setAll(false)
    },
    stop: () => stopper.current?.abort()
  }
}
