import { useSession, useSessionState } from '../session/useSession.js'
import { clock, duration } from '../ui/format.js'
import { useNow, useStore } from '../ui/hooks.js'
import { Controls } from './Controls.js'
import { useProgress } from './MainConnection.js'
import { failureOf, type Progress, type StepId, STEPS, type StepState, stepStates } from './progress.js'
import { Scene } from './Scene.js'
import { settings } from './settings.js'
import { TokenLife } from './TokenLife.js'

const NAMES: Record<StepId, string> = {
  login: 'Log in', ticket: 'Ticket', upgrade: 'Upgrade', auth: 'First frame', open: 'Open'
}
const DETAILS: Record<StepId, string> = {
  login: 'proves who you are',
  ticket: 'valid for one attempt',
  upgrade: 'door one checks the ticket',
  auth: 'door two checks the JWT',
  open: 'messages flow'
}
const WORDS: Record<StepState, string> = { idle: 'not started', active: 'in progress', done: 'done', refused: 'refused' }
const MARKS: Record<StepState, string> = { idle: '', active: '…', done: '✓', refused: '×' }

/** Shows each step from outside to inside as it happens. */
export function Doors () {
  const session = useSession()
  const progress = useProgress()
  const { route } = useStore(settings)
  const states = stepStates(progress, session !== null)
  const wires: Record<StepId, string> = {
    login: `POST ${session?.path ?? '/login'}`,
    ticket: 'POST /ws/ticket',
    upgrade: `GET ${route}, 101`,
    auth: 'auth, auth_ok',
    open: 'tick, echo, broadcast'
  }
  const times: Record<StepId, number | undefined> = {
    login: session?.took,
    ticket: progress.times.ticket,
    upgrade: progress.times.upgrade,
    auth: progress.times.auth,
    open: undefined
  }
  return (
    <section id='doors' className='panel doors' aria-labelledby='doors-title' data-status={progress.status}>
      <h2 id='doors-title' className='visually-hidden'>The two doors</h2>
      <Scene states={states} user={session?.user ?? null} />
      <ol className='steps'>
        {STEPS.map((id, index) => (
          <li key={id} data-step={id} data-state={states[id]}>
            <span className='mark' aria-hidden='true'>{(id === 'login' && session === null) || states[id] === 'idle' ? index + 1 : MARKS[states[id]]}</span>
            <span className='step-name'>{NAMES[id]}</span>
            <span className='visually-hidden'>: {WORDS[states[id]]}</span>
            <span className='step-detail'>{DETAILS[id]}</span>
            <span className='step-wire'>{wires[id]}</span>
            <span className='step-time'>
              {id === 'open' ? <OpenFor since={progress.openSince} /> : states[id] !== 'idle' && times[id] !== undefined ? duration(times[id]) : ''}
            </span>
          </li>
        ))}
      </ol>
      <div className='verdict'>
        <StatusLine progress={progress} />
        <Countdown progress={progress} />
        <TokenLife progress={progress} />
      </div>
      <Controls />
    </section>
  )
}

function OpenFor ({ since }: { since: number | null }) {
  const now = useNow(1_000, since !== null)
  return since === null ? '' : `for ${clock(Math.max(0, Math.floor((now - since) / 1_000) * 1_000))}`
}

/** Says how the connection stands. A screen reader hears results, not steps, and only the first of equal failures. */
function StatusLine ({ progress }: { progress: Progress }) {
  const state = useSessionState()
  const failure = failureOf(progress) ?? progress.before
  return <p className='status-line' role='status' data-tone={failure !== null ? 'bad' : progress.status === 'open' ? 'good' : 'plain'}>{text()}</p>

  function text (): string {
    if (state.status === 'restoring') return 'Restoring your session.'
    if (state.status === 'out') return 'Not logged in. Log in to get a ticket.'
    switch (progress.status) {
      case 'idle': return 'Logged in. Not connected.'
      case 'open': return `You passed both doors as ${state.session.user.name}.`
      case 'closed': return failure === null ? 'Disconnected.' : `${failure} Another attempt would fail in the same way.`
      default: return failure === null ? 'Connecting.' : `${failure} The page reconnects by itself.`
    }
  }
}

function Countdown ({ progress: { status, next } }: { progress: Progress }) {
  const waiting = status === 'waiting' && next !== null
  const now = useNow(100, waiting)
  if (!waiting) return null
  return <p className='countdown'>Next attempt in <b>{(Math.max(0, next.at - now) / 1_000).toFixed(1)} s</b></p>
}
