import { memo, useEffect, useId, useLayoutEffect, useRef, useState } from 'react'
import { size } from '../ui/format.js'
import { useStore } from '../ui/hooks.js'
import { type Entry, timestamp } from './entries.js'
import { log } from './log.js'

const SIGNS = { in: '←', out: '→', event: '•', bad: '×' } as const
const NAMES = { in: 'received', out: 'sent', event: 'event', bad: 'refused' } as const

/** How close to the end the log must be scrolled to follow new lines, in pixels. A user further up wants to read. */
const AT_END = 40

/** The messages and events of all sockets. */
export function LogPanel () {
  const id = useId()
  const live = useStore(log.entries)
  const [ticks, setTicks] = useState(true)
  const [frozen, setFrozen] = useState<readonly Entry[] | null>(null)
  const shown = (frozen ?? live).filter(entry => ticks || !entry.tick)
  const list = useRef<HTMLDivElement>(null)
  const following = useRef(true)

  useLayoutEffect(() => {
    if (following.current && list.current !== null) list.current.scrollTop = list.current.scrollHeight
  })
  useEffect(() => {
    const element = list.current as HTMLDivElement
    const remember = () => { following.current = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END }
    element.addEventListener('scroll', remember, { passive: true })
    return () => element.removeEventListener('scroll', remember)
  }, [])

  const clear = () => {
    log.clear()
    if (frozen !== null) setFrozen([])
  }
  return (
    <section className='panel log' aria-labelledby={id}>
      <div className='panel-head'>
        <h2 id={id}>Messages</h2>
        <div className='row'>
          <label className='check'><input type='checkbox' checked={ticks} onChange={event => setTicks(event.target.checked)} /> Ticks</label>
          <button type='button' className='small' onClick={() => setFrozen(frozen === null ? live : null)}>{frozen === null ? 'Pause' : 'Resume'}</button>
          <button type='button' className='small' onClick={clear}>Clear</button>
        </div>
      </div>
      <div className='entries' role='log' aria-label='Everything sent and received' tabIndex={0} ref={list}>
        <ol>{shown.map(entry => <Line key={entry.id} entry={entry} />)}</ol>
      </div>
      {shown.length === 0 && <p className='empty'>No messages yet.</p>}
      <p className='hint'>The last 400 lines of traffic. JWTs and tickets are shortened.</p>
    </section>
  )
}

const Line = memo(function Line ({ entry: { time, kind, lane, text, bytes, tick } }: { entry: Entry }) {
  // Without `off`, a screen reader would announce nothing but ticks.
  return (
    <li data-kind={kind} data-lane={lane} data-tick={tick} {...(tick && { 'aria-live': 'off' as const })}>
      <time>{timestamp(time)}</time>
      <span className='sign' aria-hidden='true'>{SIGNS[kind]}</span>
      <span className='visually-hidden'>{NAMES[kind]}</span>
      <span className='lane'>{lane}</span>
      <span className='text'>{text}</span>
      <span className='bytes'>{bytes === null ? '' : size(bytes)}</span>
    </li>
  )
})
