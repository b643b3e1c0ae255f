/** Counters since the start. */
export interface IntrospectStats {
  /** Tokens whose verdict was cached. */
  hits: number
  /** Tokens that shared the answer to a question under way. */
  shared: number
  /** Questions that were asked. */
  asked: number
  /** Answers that refused a token. */
  refused: number
  /** Questions without a reliable answer. */
  failed: number
  /** Tokens for which no question was asked, because too many were waiting. */
  busy: number
  /** Tokens for which no question was asked, because their address had reached a limit. */
  limited: number
  /** Watched connections that were closed. */
  closed: number
}

/** Makes counters that are all at zero. */
export function createStats (): IntrospectStats {
  return { hits: 0, shared: 0, asked: 0, refused: 0, failed: 0, busy: 0, limited: 0, closed: 0 }
}
