import { setTimeout as pause } from 'node:timers/promises'
import { Gate } from './gate.js'
import { type Facts, missing } from './needs.js'
import { Notes } from './notes.js'
import { type DoctorOptions, type DoctorSettings, parseOptions } from './options.js'
import { type Outcome, skipped, unknown } from './outcome.js'
import { probes } from './probes/index.js'
import { type Finding, makeReport, type Plan, type Report } from './report.js'
import { type Rule, type RuleId, rules } from './rules.js'
import { Secrets } from './secrets.js'
import { type Common, Visit } from './visit.js'

/** What somebody who waits for a report may want to know meanwhile. */
export interface ExamineHooks {
  /** Called first, with all that will be sent at most. */
  onPlan?: (plan: Plan) => void
  /** Called with each finding, as it comes. */
  onFinding?: (finding: Finding) => void
  /** Called when the server is to be restarted. */
  onDrain?: () => void
  /**
   * Waits, in milliseconds.
   * @default a timer
   */
  sleep?: (ms: number) => Promise<void>
  /**
   * Whether rules that wait for time to pass are looked at beside the others.
   * @default true
   */
  beside?: boolean
}

type Known = Rule & { id: RuleId }

/** The honest attempt before all others: a ticket and an upgrade. */
const BASELINE_COST = 2

/** Requests for tickets that may be sent again when the server says "too many". */
const RESERVE = 10

/** After all others: one takes all tickets of a minute, the other one the server. */
const LAST: readonly RuleId[] = ['retry-after', 'drain']

/**
 * Examines a server from outside.
 *
 * @returns what was found; it contains no token and no ticket
 * @throws {@link UsageError} when an option is wrong
 */
export async function examine (options: DoctorOptions, hooks: ExamineHooks = {}): Promise<Report> {
  const settings = parseOptions(options)
  const begun = performance.now()
  const gate = new Gate(settings.rate)
  const selected = select(settings)
  const facts: Facts = { settings, wayIn: null, letIn: null }
  const plan = planOf(selected, facts)
  hooks.onPlan?.(plan)
  const secrets = secretsOf(settings)
  const common: Common = {
    settings,
    secrets,
    notes: new Notes(),
    reserve: gate.allow(RESERVE),
    sleep: hooks.sleep ?? pause,
    canBeLetIn: true,
    onDrain: () => hooks.onDrain?.()
  }
  await tryHonestly(new Visit(common, gate.allow(BASELINE_COST)), facts)
  facts.wayIn = redacted(secrets, facts.wayIn)
  facts.letIn = redacted(secrets, facts.letIn)
  common.canBeLetIn = facts.letIn === null

  const findings = new Map<RuleId, Finding>()
  const look = async (rule: Known): Promise<void> => {
    const start = performance.now()
    const { result, evidence } = await outcomeOf(rule, facts, common, gate)
    const finding: Finding = { rule, result, evidence: secrets.redact(evidence), took: Math.round(performance.now() - start) }
    findings.set(rule.id, finding)
    hooks.onFinding?.(finding)
  }
  const inTurn = async (rules: Known[]): Promise<void> => { for (const rule of rules) await look(rule) }
  const sending = selected.filter(({ cost, id }) => cost > 0 && !LAST.includes(id))
  const slow = sending.filter(({ slow }) => slow === true)
  const quick = sending.filter(({ slow }) => slow !== true)
  if (hooks.beside === false) await inTurn([...slow, ...quick])
  else await Promise.all([...slow.map(look), inTurn(quick)])
  // These judge what was seen beside the others.
  await inTurn(selected.filter(({ cost }) => cost === 0))
  await inTurn(selected.filter(({ id }) => LAST.includes(id)))

  return makeReport({
    url: settings.url.href,
    plan,
    sent: gate.sent,
    took: Math.round(performance.now() - begun),
    findings: selected.map(({ id }) => findings.get(id) as Finding),
    honest: facts.letIn ?? facts.wayIn
  })
}

function select ({ only, skip }: DoctorSettings): Known[] {
  return rules.filter(({ id }) => (only === undefined || only.includes(id)) && !skip.includes(id))
}

function planOf (selected: Known[], facts: Facts): Plan {
  const able = selected.filter(rule => rule.area !== 'inside' && missing(rule, facts) === null)
  return {
    rules: able.length,
    requests: able.reduce((sum, { cost }) => sum + cost, BASELINE_COST + RESERVE),
    rate: facts.settings.rate
  }
}

function secretsOf ({ token, secondToken, expiredToken, shortToken, widerToken, cookie }: DoctorSettings): Secrets {
  const secrets = new Secrets()
  for (const [name, secret] of Object.entries({ jwt: token, 'second jwt': secondToken, 'expired jwt': expiredToken, 'short jwt': shortToken, 'wider jwt': widerToken, cookie })) {
    if (secret !== undefined) secrets.add(secret, name)
  }
  return secrets
}

function redacted (secrets: Secrets, text: string | null): string | null {
  return text === null ? null : secrets.redact(text)
}

/** Comes as an honest client does, and says how far it gets. */
async function tryHonestly (visit: Visit, facts: Facts): Promise<void> {
  const { firstFrame, token } = visit.settings
  try {
    const peer = await visit.enter()
    if (!firstFrame) return
    if (token === undefined) facts.letIn = 'AIRLOCK_TOKEN is not set'
    else {
      peer.send(visit.auth(token))
      if (await visit.welcome(peer) === undefined) {
        facts.letIn = `an honest first frame got no ${JSON.stringify(visit.settings.authOk)}: ${await visit.describeEnd(peer)}`
      }
    }
    peer.leave()
  } catch (error) {
    facts.wayIn = facts.letIn = `an honest client does not get in: ${(error as Error).message}`
  } finally {
    visit.end()
  }
}

async function outcomeOf (rule: Known, facts: Facts, common: Common, gate: Gate): Promise<Outcome> {
  const reason = missing(rule, facts)
  if (reason !== null) return skipped(reason)
  const visit = new Visit(common, gate.allow(rule.cost))
  const outcome = await probes[rule.id](visit).catch((error: Error) => unknown(error.message))
  visit.end()
  return outcome
}
