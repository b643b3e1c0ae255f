import type { AuditEvent } from '@fastify-airlock/guard'
import { type Span, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** A span for each connection, from its ticket to its close. Returns a function that stops it. */
export function traceConnections (tracer: Tracer = trace.getTracer('airlock')): () => void {
  const open = new Map<string, { span: Span, unused?: NodeJS.Timeout }>()

  function end (id: string, time: number): void {
    open.get(id)?.span.end(time)
    open.delete(id)
  }

  function listen (message: unknown): void {
    const { type, time, id, ...rest } = message as AuditEvent
    const known = open.get(id) ?? { span: tracer.startSpan('websocket', { startTime: time, attributes: { 'airlock.id': id } }) }
    open.set(id, known)
    clearTimeout(known.unused)
    const attributes = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null).map(([name, value]) => [`airlock.${name}`, value]))
    known.span.setAttributes(attributes).addEvent(type, attributes, time)
    if (type.endsWith('.refused')) known.span.setStatus({ code: SpanStatusCode.ERROR, message: rest.reason ?? String(rest.code) })
    // Nobody may ever come with it.
    if ('expiresAt' in rest) known.unused = setTimeout(end, rest.expiresAt - time, id, rest.expiresAt).unref()
    if (['close', 'upgrade.refused', 'ticket.refused'].includes(type)) end(id, time)
  }

  subscribe('airlock:audit', listen)
  return () => { unsubscribe('airlock:audit', listen) }
}
