import { toolsOf } from '../driver.js'
import { fail, type Outcome, pass, type Probe } from '../outcome.js'
import { describeAnswer, describeExpected, judge, type Scenario, type ScenarioId, scenarios } from '../scenarios/index.js'
import type { Visit } from '../visit.js'

/** A probe for each scenario of the demo's page. */
export const scenarioProbes = Object.fromEntries(scenarios.map(scenario => [scenario.id, probeOf(scenario)])) as Record<ScenarioId, Probe>

function probeOf ({ id, run, expected }: Scenario): Probe {
  return async (visit): Promise<Outcome> => {
    const answer = await run(toolsOf(visit))
    const text = describeAnswer(answer)
    if (judge(answer, expected) === 'broken') return fail(text)
    const right = 'close' in expected
      ? answer.kind === 'closed' && answer.code === expected.close
      : answer.kind === 'refused' && answer.refusal?.statusCode === expected.status
    if (!right) note(visit, id, `${text}, and not ${describeExpected(expected)}`, 'close' in expected)
    if ('status' in expected) visit.notes.refusals++
    return pass(text)
  }
}

function note ({ notes }: Visit, id: string, text: string, isClose: boolean): void {
  (isClose ? notes.codes : notes.statuses).push(`${id}: ${text}`)
}
