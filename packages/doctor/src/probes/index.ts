import type { Probe } from '../outcome.js'
import type { RuleId } from '../rules.js'
import { aroundProbes } from './around.js'
import { firstFrameProbes } from './first-frame.js'
import { laterProbes } from './later.js'
import { originProbes } from './origin.js'
import { scenarioProbes } from './scenarios.js'
import { ticketProbes } from './tickets.js'
import { tokenProbes } from './tokens.js'
import { upgradeProbes } from './upgrade.js'

/** How each rule is looked at. */
export const probes: Readonly<Record<RuleId, Probe>> = {
  ...scenarioProbes,
  ...upgradeProbes,
  ...originProbes,
  ...ticketProbes,
  ...firstFrameProbes,
  ...tokenProbes,
  ...laterProbes,
  ...aroundProbes
}
