/** The command line, or the options, are wrong. Its message says the cure. */
export class UsageError extends Error {
  readonly code = 'WSA_DOCTOR_ERR_USAGE'
  override readonly name = 'UsageError'
}

/** A probe would have sent more than was told beforehand. It is a fault of the doctor's own. */
export class OverBudget extends Error {
  readonly code = 'WSA_DOCTOR_ERR_BUDGET'
  override readonly name = 'OverBudget'

  constructor (most: number) {
    super(`The probe would send more than the ${most} requests that were told beforehand`)
  }
}

/** What a probe needs did not happen, so it cannot tell. */
export class Obstacle extends Error {
  readonly code = 'WSA_DOCTOR_ERR_OBSTACLE'
  override readonly name = 'Obstacle'
}
