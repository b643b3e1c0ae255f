import { type Credential, type CredentialSource, findCredentials, isCarrierProtocol } from './credentials.js'
import type { AuthenticateFunction, Authenticator } from './types.js'

/** A way that applies to a request, with the credential it found; a function finds its own. */
export type Candidate =
  | { way: Authenticator, credential: Credential }
  | { way: AuthenticateFunction, credential: null }

/**
 * The ways that have something to judge, in their order. One credential at most may be sent on purpose; where one
 * was, cookies are out of the question, for they come along by themselves.
 *
 * @returns `null` where there are several credentials
 */
export function findCandidates (
  request: CredentialSource,
  offered: ReadonlySet<string>,
  ways: ReadonlyArray<Authenticator | AuthenticateFunction>
): Candidate[] | null {
  let explicit: Credential | undefined
  let carried = 0
  for (const protocol of offered) {
    // Counted whether this route reads it or not.
    if (isCarrierProtocol(protocol) && ++carried > 1) return null
  }
  const candidates: Candidate[] = []
  for (const way of ways) {
    if (typeof way === 'function') {
      candidates.push({ way, credential: null })
      continue
    }
    const [credential, another] = findCredentials(request, offered, way.carriers)
    if (credential === undefined) continue
    if (another !== undefined) return null
    if (credential.carrier !== 'cookie') {
      // Two ways may read the same carrier, but not different ones.
      if (explicit !== undefined && (explicit.carrier !== credential.carrier || explicit.value !== credential.value)) return null
      explicit = credential
    }
    candidates.push({ way, credential })
  }
  return explicit === undefined ? candidates : candidates.filter(({ credential }) => credential?.carrier !== 'cookie')
}
