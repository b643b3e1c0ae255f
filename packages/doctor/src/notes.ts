/** What is seen beside the probe of a rule, and judged at the end by another. */
export class Notes {
  /** Refusals with another status than that of the protocol. */
  readonly statuses: string[] = []
  /** Closes with another code than that of the protocol. */
  readonly codes: string[] = []
  /** Closes whose `auth_error` is missing, or says something else. */
  readonly errors: string[] = []
  /** Closes that were looked at. */
  closes = 0
  /** Refusals that were looked at. */
  refusals = 0
  /** What the server said to who had said nothing; `null` as long as nobody has listened. */
  greeting: string[] | null = null
  /** Answers "too many" and "not now", and how many of them said when to come back. */
  readonly busy = { answers: 0, withTime: 0 }

  /** Notes an answer, whatever it was for. */
  answered (status: number, retryAfter: string | undefined): void {
    if (status !== 429 && status !== 503) return
    this.busy.answers++
    if (retryAfter !== undefined) this.busy.withTime++
  }
}
