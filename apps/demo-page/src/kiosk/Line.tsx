import type { Topic } from '@fastify-airlock/react/topics'

interface LineProps {
  topic: Pick<Topic, 'status' | 'position' | 'recovered'>
  isCut: boolean
  /** Cuts the network, or lets it back. */
  onToggle (): void
}

/** Where this kiosk stands in its topic, whether it has missed anything, and a button that cuts it off. */
export function Line ({ topic: { status, position, recovered }, isCut, onToggle }: LineProps) {
  return (
    <footer className='line'>
      <button type='button' data-cut={isCut} onClick={onToggle}>{isCut ? 'Give my network back' : 'Cut my network'}</button>
      <p className='hint' role='status'>{isCut ? 'Reset this kiosk from another window, and then give its network back.' : ''}</p>
      <dl>
        <div><dt>Position</dt><dd data-position={position?.offset ?? ''}>{position === undefined ? 'none' : `${position.offset} of ${position.epoch}`}</dd></div>
        <div><dt>Recovery</dt><dd data-recovered={String(recovered)}>{words(status, recovered)}</dd></div>
      </dl>
    </footer>
  )
}

function words (status: Topic['status'], recovered: boolean | undefined): string {
  if (status !== 'subscribed') return 'not subscribed'
  if (recovered === undefined) return 'subscribed, was never away'
  return recovered ? 'back, and nothing was missed' : 'back, but something may be missed'
}
