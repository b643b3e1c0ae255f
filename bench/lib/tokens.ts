import { generateKeyPairSync } from 'node:crypto'

/** Signature algorithms that are compared. */
export type Algorithm = 'HS256' | 'RS256' | 'ES256'

/** What signs and what verifies; the same for HS256. */
export interface Keys { algorithm: Algorithm, private: string, public: string }

/** New keys, for this run and all peers of it. */
export function makeKeys (algorithm: Algorithm): Keys {
  if (algorithm === 'HS256') {
    const secret = 'a secret of a benchmark, known to everybody'
    return { algorithm, private: secret, public: secret }
  }
  const { privateKey, publicKey } = algorithm === 'RS256'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    algorithm,
    private: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    public: String(publicKey.export({ type: 'spki', format: 'pem' }))
  }
}
