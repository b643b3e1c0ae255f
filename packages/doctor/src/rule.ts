/** What a rule cannot do without. Without it the rule is skipped, and the report says what is missing. */
export type Need =
  | 'door one' | 'tickets' | 'token' | 'jwt' | 'second token' | 'expired token' | 'short token' | 'wider token'
  | 'first frame' | 'refresh' | 'way in' | 'let in' | 'forbidden url' | 'public key' | 'tls' | 'race' | 'exhaust' | 'drain'
  | 'airlock' | 'subprotocol'

/** Something that a server has to do, and how the doctor sees whether it does. */
export interface Rule {
  id: string
  /** In a few words, as what holds. */
  title: string
  /** Which part of a server it is about. */
  area: 'upgrade' | 'origin' | 'tickets' | 'first frame' | 'tokens' | 'refresh' | 'closes' | 'limits' | 'tls' | 'drain' | 'inside'
  /**
   * Where it is required: a section of docs/PROTOCOL.md, with the item of its server checklist (14.2) in parentheses, or of
   * docs/threat-model.md (T).
   */
  section: string
  /** `must` where a server is wrong without it, `should` where it is only weaker. */
  level: 'must' | 'should'
  /** What somebody could do if it failed. */
  proves: string
  /** What to change. */
  cure: string
  /** Connections that it opens at most. */
  cost: number
  needs: readonly Need[]
  /** Whether it waits for time to pass: such rules are looked at beside the others. */
  slow?: boolean
}

/** Puts a rule together, so that its name stays a literal. */
export function rule <const Head extends Omit<Rule, 'proves' | 'cure'>> (head: Head, texts: Pick<Rule, 'proves' | 'cure'>): Head & Pick<Rule, 'proves' | 'cure'> {
  return { ...head, ...texts }
}
