import { specsOf } from '../lib/context.js'
import { CPU, SPEED } from '../lib/cost.js'
import { compare, type Row } from '../lib/outcome.js'
import { how, measure } from './handshake.js'

const WITHOUT = 'airlock'
const WITH = 'airlock, audit trail'

/** Against a revision before the audit trail, the first line shows what it costs while nobody subscribes. */
export const audit: Row = {
  id: 'audit',
  title: 'Handshake with the ticket request, with a subscriber of the audit trail and without',
  against: true,
  async run (context) {
    return compare(context, await measure(context, specsOf(context, [WITHOUT, WITH]), 'visits'), {
      how: how(context), metrics: [CPU, SPEED], metric: CPU, bases: [WITHOUT], goals: [{ of: WITH, to: WITHOUT, target: 1.15 }]
    })
  }
}
