import type { Rule } from './rule.js'
import { around } from './rules/around.js'
import { doorOne, tickets } from './rules/door-one.js'
import { firstFrame, later, tokens } from './rules/door-two.js'

const all = [...doorOne, ...tickets, ...firstFrame, ...tokens, ...later, ...around] as const

/** The name of a rule. Those that are scenarios of the demo's page have the same name there. */
export type RuleId = typeof all[number]['id']

/** Every rule, in the order of the report. */
export const rules: ReadonlyArray<Rule & { id: RuleId }> = all

/** Whether there is a rule of this name. */
export function isRuleId (name: string): name is RuleId {
  return rules.some(({ id }) => id === name)
}

export type { Need, Rule } from './rule.js'
