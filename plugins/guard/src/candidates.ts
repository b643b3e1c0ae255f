import { type Credential, type CredentialSource, findCredentials } from '@fastify-airlock/core'
import type { AuthenticateFunction, CredentialCheck } from './authenticator.js'
import { isCarrierProtocol } from './protocols.js'

/** A check with the credential that was found for it, or a function, which finds its own. */
export type Candidate =
  | { authenticator: CredentialCheck, credential: Credential }
  | { authenticator: AuthenticateFunction, credential: null }

/**
 * Finds the authenticators that have something to check, in their order. A request may have one explicit credential. If
 * it has one, cookies are not considered, because browsers send them without being asked.
 *
 * @returns `null` if there are several credentials
 */
export function findCandidates (
  request: CredentialSource,
  offered: ReadonlySet<string>,
  authenticators: ReadonlyArray<CredentialCheck | AuthenticateFunction>
): Candidate[] | null {
  let explicit: Credential | undefined
  let carried = 0
  for (const protocol of offered) {
    // Counts even if this route does not read it.
    if (isCarrierProtocol(protocol) && ++carried > 1) return null
  }
  const candidates: Candidate[] = []
  for (const authenticator of authenticators) {
    if (typeof authenticator === 'function') {
      candidates.push({ authenticator, credential: null })
      continue
    }
    const [credential, another] = findCredentials(request, offered, authenticator.carriers)
    if (credential === undefined) continue
    if (another !== undefined) return null
    if (credential.carrier !== 'cookie') {
      // Two checks may read the same carrier, but not different ones.
      if (explicit !== undefined && (explicit.carrier !== credential.carrier || explicit.value !== credential.value)) return null
      explicit = credential
    }
    candidates.push({ authenticator, credential })
  }
  return explicit === undefined ? candidates : candidates.filter(({ credential }) => credential?.carrier !== 'cookie')
}
