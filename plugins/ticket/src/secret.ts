import { hash, randomFillSync } from 'node:crypto'

const TICKET_BYTES = 32

// One call of the CSPRNG fills it for many tickets. Each slice is used once and wiped: a heap dump shows no ticket.
const pool = Buffer.alloc(256 * TICKET_BYTES)
let offset = pool.length

/** Makes a ticket: 32 bytes of the CSPRNG in base64url, 43 characters. */
export function createTicket (): string {
  if (offset === pool.length) {
    randomFillSync(pool)
    offset = 0
  }
  const end = offset + TICKET_BYTES
  const ticket = pool.toString('base64url', offset, end)
  pool.fill(0, offset, end)
  offset = end
  return ticket
}

/** Hashes a ticket for the store: SHA-256 in base64url. 256 random bits need no salt and no slow hash. */
export function hashTicket (ticket: string): string {
  return hash('sha256', ticket, 'base64url')
}

/**
 * The id that is given with a ticket, for the audit trail: 96 bits of a hash of its hash. It follows from the ticket alone, so no
 * store has to keep it, and leads back neither to the ticket nor to what the store knows it by.
 */
export function ticketId (ticket: string): string {
  return hash('sha256', `audit ${hashTicket(ticket)}`, 'base64url').slice(0, 16)
}
