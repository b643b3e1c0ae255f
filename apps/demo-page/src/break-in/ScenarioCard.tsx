import { codeOf, describeExpected, type Scenario } from '@fastify-airlock/doctor/scenarios'
import { Fragment } from 'react'
import { duration } from '../ui/format.js'
import type { Run } from './useBreakIn.js'

const WORDS = { held: 'Held', broken: 'Broken', unclear: 'Unclear' } as const

interface ScenarioCardProps {
  scenario: Scenario
  run: Run | null
  /** Why it cannot be tried now; `null` if it can. */
  obstacle: string | null
  busy: boolean
  onTry (): void
}

/** One scenario: the attack, the expected answer, and the server's answer. */
export function ScenarioCard ({ scenario: { id, title, story, expected }, run, obstacle, busy, onTry }: ScenarioCardProps) {
  const verdict = run === null ? 'none' : run.state === 'running' ? 'running' : run.verdict
  const code = run?.state === 'over' && run.answer !== null ? codeOf(run.answer) : null
  return (
    <li className='card' data-scenario={id} data-verdict={verdict} {...(code !== null && { 'data-answer': code })}>
      <div className='card-head'>
        <h4>{title}</h4>
        <button type='button' className='small' aria-label={`Try: ${title}`} disabled={obstacle !== null} aria-disabled={busy} onClick={busy ? undefined : onTry}>Try</button>
      </div>
      <p className='story'>{story}</p>
      <dl>
        <dt>Expected</dt>
        <dd><Breakable text={describeExpected(expected)} /></dd>
        {run?.state === 'over' && (
          <>
            <dt>Answered</dt>
            <dd><Breakable text={run.text} /></dd>
          </>
        )}
      </dl>
      <p className='card-verdict'>
        {run?.state === 'running' && (run.wait === null ? 'Trying…' : 'Waiting for the ticket to expire.')}
        {run?.state === 'over' && <><b>{WORDS[run.verdict]}</b> in {duration(run.took)}</>}
        {run === null && obstacle}
      </p>
      {run?.state === 'running' && run.wait !== null && (
        <p className='countdown'>
          <progress value={run.wait.whole - run.wait.left} max={run.wait.whole} aria-label='Time until the ticket expires' />
          {Math.ceil(run.wait.left / 1_000)} s left
        </p>
      )}
    </li>
  )
}

/** A text that may wrap after each underscore, for the error codes in it. */
function Breakable ({ text }: { text: string }) {
  return text.split('_').map((part, index) => <Fragment key={index}>{index > 0 && <>_<wbr /></>}{part}</Fragment>)
}
