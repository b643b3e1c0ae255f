import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Counter, Histogram, Registry } from 'prom-client'
import { addStateMetrics, type MetricsSources } from './sources.js'

/** Options of {@link createMetrics}. */
export interface MetricsOptions {
  /**
   * Where the metrics are added.
   * @default a new registry
   */
  registry?: Registry
  /**
   * Whether `airlock_decisions_total` counts every event of the audit trail. The plugins then make an event for each decision.
   * @default false
   */
  decisions?: boolean
}

/** What {@link createMetrics} returns. */
export interface Metrics {
  /** The metrics: `await registry.metrics()` is the text for Prometheus, `registry.contentType` its type. */
  readonly registry: Registry
  /** Counts an HTTP answer, in an `onResponse` hook. */
  countResponse (statusCode: number): void
  /** Counts a request that was answered with an error, in an `onError` hook. Codes other than `FST_…` and `WSA_…` count as `other`. */
  countError (code: string | undefined): void
  /** Stops counting what happens. */
  close (): void
}

/** What the channels publish, as far as it is read. */
interface Event {
  server?: object | null
  code: string | number
  reason: string
  duration: number
}

/** An event of the audit trail, as far as it is read. */
interface Decision {
  type: string
  code: string | number | null
  by?: string
}

/** In seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/**
 * Starts counting what the plugins publish on their diagnostics channels, which are those of the whole process: of them, what
 * belongs to the server of `sources`. Whatever clients do, the values of a label are few, and neither users nor addresses are among them.
 *
 * @param sources the Fastify instance, once its plugins are registered; without it, only what happens is counted
 *
 * @example
 * const { registry, close } = createMetrics(app)
 * app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
 * app.addHook('onClose', async () => close())
 */
export function createMetrics (sources: MetricsSources = {}, { registry = new Registry(), decisions = false }: MetricsOptions = {}): Metrics {
  const registers = [registry]
  const responses = new Counter({ name: 'airlock_http_responses_total', help: 'HTTP answers', labelNames: ['status'], registers })
  const refusals = new Counter({
    name: 'airlock_refusals_total',
    help: 'What was refused, by http, guard, handshake or hub; an error code, a close code or a reason',
    labelNames: ['by', 'code'],
    registers
  })
  const handshakes = new Histogram({
    name: 'airlock_handshake_duration_seconds',
    help: 'Time from the upgrade to auth_ok',
    buckets: BUCKETS,
    registers
  })
  const cuts = new Counter({
    name: 'airlock_cuts_total',
    help: 'WebSockets that were cut because their peers did not take what was sent',
    labelNames: ['reason'],
    registers
  })
  const questions = new Histogram({
    name: 'airlock_introspect_duration_seconds',
    help: 'Time that an authority took for an answer, or did not give one',
    buckets: BUCKETS,
    registers
  })
  addStateMetrics(registry, sources)

  const listeners: Record<string, (event: Event) => void> = {
    'airlock:guard:refuse': ({ code }) => refusals.inc({ by: 'guard', code }),
    'airlock:handshake:refuse': ({ code }) => refusals.inc({ by: 'handshake', code }),
    'airlock:guard:cut': ({ reason }) => cuts.inc({ reason }),
    'airlock:introspect:ask': ({ duration }) => questions.observe(duration / 1_000),
    'airlock:hub:refuse': ({ reason }) => refusals.inc({ by: 'hub', code: reason }),
    'airlock:handshake:open': ({ duration }) => handshakes.observe(duration / 1_000)
  }
  if (decisions) {
    const decided = new Counter({
      name: 'airlock_decisions_total',
      help: 'Events of the audit trail; an error code, the close code of this side, or who closed otherwise',
      labelNames: ['type', 'code'],
      registers
    })
    listeners['airlock:audit'] = (event: unknown) => decided.inc({ type: (event as Decision).type, code: labelOf(event as Decision) })
  }
  const { server } = sources
  const channels = Object.entries(listeners).map(([name, count]): [string, (event: unknown) => void] => [name, event => {
    const { server: its } = event as Event
    // Of some it is not known.
    if (server === undefined || its == null || its === server) count(event as Event)
  }])
  for (const [name, listener] of channels) subscribe(name, listener)

  return {
    registry,
    countResponse: status => responses.inc({ status }),
    countError: code => refusals.inc({ by: 'http', code: knownCode(code) }),
    close () {
      for (const [name, listener] of channels) unsubscribe(name, listener)
    }
  }
}

/** Clients choose with which code they close. */
function labelOf ({ type, code, by = 'server' }: Decision): string | number {
  if (type === 'close' && by !== 'server') return by
  return typeof code === 'string' ? knownCode(code) : code ?? ''
}

/** The codes of Fastify and of Airlock are few; other errors could have any code. */
function knownCode (code = ''): string {
  return /^(?:FST|WSA)_/.test(code) ? code : 'other'
}
