import type { Answer } from '@fastify-airlock/doctor/scenarios'
import { SUBPROTOCOL, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import { askRefusal, attemptId, describeRefusal } from '../connection/refusal.js'
import { NO_CLOSE_FRAME } from '../connection/logged-socket.js'
import { log } from '../log/log.js'

const PATIENCE_MS = 10_000

/** Lets a page of another origin open a WebSocket: a sandboxed frame, whose origin is `null`. */
export async function openFromElsewhere (lane: string, ticket: string): Promise<Answer> {
  const path = '/ws/demo'
  const protocols = [SUBPROTOCOL, TICKET_PROTOCOL_PREFIX + ticket]
  const attempt = attemptId()
  const url = new URL(path, location.href)
  url.protocol = url.protocol.replace('http', 'ws')
  url.searchParams.set('attempt', attempt)

  const frame = document.createElement('iframe')
  frame.setAttribute('sandbox', 'allow-scripts')
  frame.title = 'A page of another origin'
  frame.hidden = true
  frame.src = '/foreign'
  const closing = new Promise<number | null>(resolve => {
    const done = (code: number | null) => {
      removeEventListener('message', listen)
      clearTimeout(timer)
      resolve(code)
    }
    const listen = ({ source, data }: MessageEvent) => {
      if (source === frame.contentWindow) done(Number((data as { code?: unknown }).code))
    }
    const timer = setTimeout(() => done(null), PATIENCE_MS)
    addEventListener('message', listen)
  })
  frame.addEventListener('load', () => {
    log.event(lane, `a page with the origin "null" opens ${path}, Sec-WebSocket-Protocol: ${protocols.join(', ')}`)
    // The origin `null` cannot be named as the target here.
    frame.contentWindow?.postMessage({ url: url.href, protocols }, '*')
  })
  document.body.append(frame)
  const code = await closing
  frame.remove()
  if (code === null) throw new Error('The page of another origin did not answer')
  if (code !== NO_CLOSE_FRAME) return { kind: 'in', what: `101: the upgrade was accepted (closed with ${code})` }
  const refusal = await askRefusal(attempt)
  log.bad(lane, refusal === null ? 'closed: 1006' : `upgrade refused: ${describeRefusal(refusal)}`)
  return { kind: 'refused', refusal }
}
