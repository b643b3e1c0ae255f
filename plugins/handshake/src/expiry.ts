/**
 * How long to wait with `expiring`, in milliseconds; nothing or less where it is due.
 *
 * @param issuedAt the start of the token's life, in milliseconds since the epoch; `null` for now
 * @param expiresAt its end
 * @param share of the life after which the client is told
 */
export function expiringDelay (issuedAt: number | null, expiresAt: number, share: number, now: number): number {
  // An issuer whose clock is ahead must not put the expiry off.
  const start = Math.min(issuedAt ?? now, now)
  return start + (expiresAt - start) * share - now
}
