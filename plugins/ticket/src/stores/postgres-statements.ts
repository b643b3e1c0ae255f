/** For how long unused tickets stay after their end, since the clocks of servers differ. In seconds. */
const PURGE_DELAY = 60

/** Parameter: the name of the table, quoted. Tells as well whether the table is one of an earlier version. */
export const FIND = `SELECT to_regclass($1)::text AS name, current_setting('synchronous_commit') AS commit, NOT EXISTS (
  SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'session' AND NOT attisdropped
) AS "isOld"`

/**
 * Returns the statements that make the table, or what an old one lacks. Without parameters, the parts of each are sent
 * together and run as one transaction.
 *
 * @param table quoted, with its schema where it has one
 */
export function schemaStatements (table: string): { create: string, extend: string } {
  return {
    // Bytes are compared, whatever the language of the database, and a subject may be longer than a B-tree takes.
    create: `
CREATE TABLE ${table} (
  hash text COLLATE "C" PRIMARY KEY,
  subject text COLLATE "C" NOT NULL,
  audience text COLLATE "C" NOT NULL,
  claims text NOT NULL,
  expires_at double precision NOT NULL,
  reuse boolean NOT NULL,
  origin text,
  ip text,
  session text COLLATE "C",
  requested_at double precision
);
CREATE INDEX ON ${table} USING hash (subject);
CREATE INDEX ON ${table} (expires_at);`,
    // Who waits for this lock keeps everybody else waiting.
    extend: `
SET LOCAL lock_timeout = '200ms';
ALTER TABLE ${table} ADD COLUMN session text COLLATE "C", ADD COLUMN requested_at double precision;`
  }
}

/** The statements on one table. */
export interface Statements {
  /** Whether it has the columns of the session. */
  hasSession: boolean
  put: string
  take: string
  revoke: string
  /** `null` without these columns, as is the next one. */
  revokeOf: string | null
  revokeSession: string | null
  remove: string
  purge: string
}

/**
 * Returns the statements on a table.
 *
 * @param table quoted, with its schema where it has one
 * @param hasSession whether it has the columns that a table of an earlier version lacks
 */
export function statementsFor (table: string, hasSession: boolean): Statements {
  const record = `subject, audience, claims, expires_at, reuse, origin, ip${hasSession ? ', session, requested_at' : ''}`
  const live = 'hash = $1 AND audience = $2 AND expires_at > $3'
  return {
    hasSession,
    put: `INSERT INTO ${table} (hash, ${record}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8${hasSession ? ', $9, $10' : ''}) ON CONFLICT (hash) DO NOTHING`,
    // The two conditions exclude each other and `reuse` never changes, so that one of the two finds the ticket.
    take: `WITH taken AS (DELETE FROM ${table} WHERE ${live} AND NOT reuse RETURNING ${record})
SELECT ${record} FROM taken UNION ALL SELECT ${record} FROM ${table} WHERE ${live} AND reuse`,
    revoke: `DELETE FROM ${table} WHERE subject = $1`,
    revokeOf: hasSession ? `DELETE FROM ${table} WHERE subject = $1 AND (session IS NULL OR session = $2)` : null,
    // Without an index, which each new ticket would pay for: tickets live for seconds, so there are few.
    revokeSession: hasSession ? `DELETE FROM ${table} WHERE session = $1` : null,
    remove: `DELETE FROM ${table} WHERE hash = $1`,
    // It waits for no lock, so that it cannot get into a deadlock with a revocation.
    purge: `DELETE FROM ${table} WHERE hash IN (
  SELECT hash FROM ${table} WHERE expires_at < (extract(epoch FROM now()) - ${PURGE_DELAY}) * 1000
  ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
)`
  }
}
