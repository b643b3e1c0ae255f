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
      <p className='hint' role='status'>{isCut ? 'Go on with the order, or reset this kiosk as an admin from another window. Then give its network back.' : ''}</p>
      <dl>
        <div><dt>In the topic</dt><dd data-position={position?.offset ?? ''}>{position === undefined ? 'none' : <>{position.offset === 1 ? '1 reset' : `${position.offset} resets`} <small>(epoch {position.epoch})</small></>}</dd></div>
        <div><dt>Recovery</dt><dd data-recovered={String(recovered)}>{words(status, recovered, position !== undefined)}</dd></div>
      </dl>
    </footer>
  )
}

function words (status: Topic['status'], recovered: boolean | undefined, hasPosition: boolean): string {
  if (status !== 'subscribed') return hasPosition ? 'not subscribed, will ask for what it misses' : 'not subscribed'
  if (recovered === undefined) return 'subscribed, was never away'
  return recovered ? 'back, and nothing was missed' : 'back, but something may be missed'
}
