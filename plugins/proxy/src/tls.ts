import { createSecureContext, type SecureContext } from 'node:tls'
import { readOption, type ProxySettings, type UpstreamTls } from './options.js'

/** Options for `ws` about TLS. The certificates are read once, not for each connection. */
export interface TlsSettings {
  rejectUnauthorized: boolean
  secureContext?: SecureContext
  servername?: string
}

/**
 * Prepares TLS.
 *
 * @throws {@link WSA_PROXY_ERR_OPTION} when the certificate or the key cannot be read
 */
export function prepareTls ({ rejectUnauthorized = true, servername, ...material }: ProxySettings['tls'] & {} = {}): TlsSettings {
  return {
    rejectUnauthorized,
    secureContext: readOption('tls', () => createSecureContext(material as UpstreamTls)),
    ...(servername !== undefined && { servername })
  }
}
