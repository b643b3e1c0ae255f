/** For how long what is over stays, since the clocks of servers differ. In milliseconds. */
const PURGE_DELAY = 60_000

const NOW = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'

/** Names of the tables and of the function, quoted. */
export interface Names {
  heads: string
  log: string
  ids: string
  append: string
}

/**
 * Returns the statements that make the tables and the function. Without parameters, they are sent together and run as one
 * transaction.
 */
export function schemaOf ({ heads, log, ids, append }: Names): string {
  return `
CREATE TABLE IF NOT EXISTS ${heads} (
  topic text COLLATE "C" PRIMARY KEY, epoch text NOT NULL, last bigint NOT NULL, expires bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS ${log} (
  topic text COLLATE "C", n bigint, data text NOT NULL, expires bigint NOT NULL, PRIMARY KEY (topic, n)
);
CREATE TABLE IF NOT EXISTS ${ids} (
  topic text COLLATE "C", key text COLLATE "C", digest text NOT NULL, epoch text NOT NULL, n bigint NOT NULL,
  expires bigint NOT NULL, PRIMARY KEY (topic, key)
);
CREATE INDEX ON ${heads} (expires);
CREATE INDEX ON ${log} (expires);
CREATE INDEX ON ${ids} (expires);
${functionOf({ heads, log, ids, append })}`
}

/** A function, since a single statement would not see what another one has committed while it waited for the lock. */
function functionOf ({ heads, log, ids, append }: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${append} (
  p_topic text, p_epoch text, p_data text, p_size bigint, p_ttl bigint, p_life bigint, p_key text, p_digest text, p_window bigint,
  OUT r_claimed integer, OUT r_epoch text, OUT r_n bigint
) LANGUAGE plpgsql AS $body$
DECLARE
  moment bigint := ${NOW};
  known record;
BEGIN
  INSERT INTO ${heads} AS h (topic, epoch, last, expires) VALUES (p_topic, p_epoch, 0, moment + p_life)
    ON CONFLICT (topic) DO UPDATE SET expires = greatest(h.expires, excluded.expires)
    RETURNING h.epoch, h.last INTO r_epoch, r_n;
  IF p_key IS NOT NULL THEN
    SELECT i.digest, i.epoch, i.n INTO known FROM ${ids} AS i WHERE i.topic = p_topic AND i.key = p_key AND i.expires > moment;
    IF FOUND THEN
      r_claimed := CASE WHEN known.digest = p_digest THEN 1 ELSE 2 END;
      r_epoch := known.epoch;
      r_n := known.n;
      RETURN;
    END IF;
  END IF;
  r_claimed := 0;
  IF r_n = 0 THEN DELETE FROM ${log} AS l WHERE l.topic = p_topic; END IF;
  r_n := r_n + 1;
  UPDATE ${heads} AS h SET last = r_n WHERE h.topic = p_topic;
  INSERT INTO ${log} (topic, n, data, expires) VALUES (p_topic, r_n, p_data, moment + p_ttl);
  DELETE FROM ${log} AS l WHERE l.topic = p_topic AND l.n <= r_n - p_size;
  IF p_key IS NOT NULL THEN
    INSERT INTO ${ids} AS i (topic, key, digest, epoch, n, expires) VALUES (p_topic, p_key, p_digest, r_epoch, r_n, moment + p_window)
      ON CONFLICT (topic, key) DO UPDATE SET digest = excluded.digest, epoch = excluded.epoch, n = excluded.n, expires = excluded.expires;
  END IF;
END
$body$;`
}

/** The statements on the tables. */
export interface Statements {
  append: string
  claim: string
  known: string
  open: string
  read: string
  heads: string
  purge: string[]
}

/** Returns the statements on the tables. */
export function statementsOf ({ heads, log, ids, append }: Names): Statements {
  const over = (table: string, columns: string): string => `DELETE FROM ${table} WHERE (${columns}) IN (
  SELECT ${columns} FROM ${table} WHERE expires < ${NOW} - ${PURGE_DELAY} ORDER BY expires LIMIT $1 FOR UPDATE SKIP LOCKED
)`
  return {
    append: `SELECT r_claimed AS claimed, r_epoch AS epoch, r_n AS n FROM ${append}($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    claim: `INSERT INTO ${ids} AS i (topic, key, digest, epoch, n, expires) VALUES ($1, $2, $3, '-', 0, ${NOW} + $4)
  ON CONFLICT (topic, key) DO UPDATE SET digest = excluded.digest, epoch = '-', n = 0, expires = excluded.expires WHERE i.expires <= ${NOW}`,
    known: `SELECT digest FROM ${ids} WHERE topic = $1 AND key = $2`,
    open: `INSERT INTO ${heads} AS h (topic, epoch, last, expires) VALUES ($1, $2, 0, ${NOW} + $3)
  ON CONFLICT (topic) DO UPDATE SET expires = greatest(h.expires, excluded.expires) RETURNING h.epoch AS epoch, h.last AS n`,
    read: `SELECT h.epoch AS epoch, h.last AS last, l.n AS n, l.data AS data, l.expires <= ${NOW} AS over FROM ${heads} AS h
  LEFT JOIN LATERAL (
    SELECT n, data, expires FROM ${log} WHERE topic = $1 AND n > (CASE WHEN h.epoch = $2 THEN $3::bigint ELSE 0 END) ORDER BY n LIMIT $4
  ) AS l ON true WHERE h.topic = $1 ORDER BY l.n`,
    heads: `SELECT topic, epoch, last AS n FROM ${heads} WHERE topic = ANY($1)`,
    // They wait for no lock, so that they cannot get into a deadlock with a publication.
    purge: [over(log, 'topic, n'), over(ids, 'topic, key'), over(heads, 'topic')]
  }
}
