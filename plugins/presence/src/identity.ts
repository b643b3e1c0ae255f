/** What is known of a client; the `WsIdentity` of the other plugins. */
export interface PresenceIdentity {
  /** The user's id. */
  readonly subject: string
  /** The claims of its ticket and its token. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** When its token expires, in milliseconds since the epoch. */
  readonly expiresAt?: number | null
}
