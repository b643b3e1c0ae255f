import { type ReactNode, useId } from 'react'
import type { Outcome } from './hooks.js'

interface PanelProps {
  title: string
  /** One sentence on what it is for. */
  hint?: ReactNode
  /** Stands at the end of the heading's line. */
  aside?: ReactNode
  className?: string
  children: ReactNode
}

/** A part of the page with a heading: a landmark of its own. */
export function Panel ({ title, hint, aside, className = '', children }: PanelProps) {
  const id = useId()
  return (
    <section className={`panel ${className}`} aria-labelledby={id}>
      <div className='panel-head'>
        <h2 id={id}>{title}</h2>
        {aside}
      </div>
      {hint !== undefined && <p className='hint'>{hint}</p>}
      {children}
    </section>
  )
}

/** What an action came to; screen readers hear of it. */
export function OutcomeLine ({ outcome }: { outcome: Outcome }) {
  return <p className='outcome' role='status' data-bad={outcome.bad}>{outcome.text}</p>
}
