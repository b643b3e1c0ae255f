/** Counters since the start. */
export interface IntrospectStats {
  /** Tokens that were judged from the cache. */
  hits: number
  /** Tokens that shared the answer to a question under way. */
  shared: number
  /** Questions that were asked. */
  asked: number
  /** Answers that refuse a token. */
  refused: number
  /** Questions without an answer to rely on. */
  failed: number
  /** Tokens for which no question was asked, since too many were waiting. */
  busy: number
  /** Watched connections that were closed. */
  closed: number
}

/** All of them at zero. */
export function createStats (): IntrospectStats {
  return { hits: 0, shared: 0, asked: 0, refused: 0, failed: 0, busy: 0, closed: 0 }
}
