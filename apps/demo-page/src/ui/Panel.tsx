import { type ReactNode, useId } from 'react'
import type { Outcome } from './hooks.js'

interface PanelProps {
  title: string
  /** One or two sentences on its purpose. */
  hint?: ReactNode
  /** Placed at the end of the heading's line. */
  aside?: ReactNode
  className?: string
  children: ReactNode
}

/** A part of the page with a heading. It is a landmark. */
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

/** The result of an action. Screen readers announce it. */
export function OutcomeLine ({ outcome }: { outcome: Outcome }) {
  return <p className='outcome' role='status' data-bad={outcome.bad}>{outcome.text}</p>
}
