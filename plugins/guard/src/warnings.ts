/** The codes of the guard's warnings. */
export const GUARD_WARNINGS = {
  /** Every page may connect, and a credential may be a cookie, or is found by a function. */
  ANY_ORIGIN: 'WSA_GUARD_WARN_ANY_ORIGIN',
  /** An upgrade without an Origin may have a cookie as its credential. */
  MISSING_ORIGIN: 'WSA_GUARD_WARN_MISSING_ORIGIN',
  /** A function authenticates and returned neither `null` nor a subject. Given at the first such upgrade. */
  NO_SUBJECT: 'WSA_GUARD_WARN_NO_SUBJECT',
  /** A proxy is not believed: an Origin fits the host that it was asked for, or `trustProxy` is a number. Given at the first such upgrade. */
  TRUST_PROXY: 'WSA_GUARD_WARN_TRUST_PROXY',
  /** `isRevoked` returned no boolean. Given at the first such upgrade. */
  ANSWER: 'WSA_GUARD_WARN_ANSWER',
  /** A credential may be in the query, and the log shows queries. */
  LOG: 'WSA_GUARD_WARN_CREDENTIAL_IN_LOG'
} as const
