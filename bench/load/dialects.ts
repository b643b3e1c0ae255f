/** What a client has. */
export interface Credential { token: string, ticket: string }

/** How clients get into a server. */
export interface Dialect {
  /** Whether a ticket is asked for first, with a POST. */
  tickets: boolean
  /** Where it is, if not where the caller says. */
  path?: string
  /** Headers of the upgrade. */
  headers (credential: Credential): string[]
  /** Whether the server speaks first. */
  greets?: boolean
  /** The first frame, and what is in the answer of a server that is content. */
  hello? (credential: Credential): string
  welcome?: string
}

/** The page that clients come from. */
export const ORIGIN = 'https://app.example.com'

const origin = `Origin: ${ORIGIN}`
const twoDoors: Dialect = {
  tickets: true,
  headers: ({ ticket }) => [origin, `Sec-WebSocket-Protocol: airlock.v1, ticket.${ticket}`],
  hello: ({ token }) => JSON.stringify({ type: 'auth', token }),
  welcome: '"auth_ok"'
}

export const dialects = {
  /** An upgrade, and that is it. */
  plain: { tickets: false, headers: () => [origin] },
  /** The JWT is in a header of the upgrade, which browsers cannot set. */
  'one door': { tickets: false, headers: ({ token }) => [origin, `Authorization: Bearer ${token}`] },
  /** A ticket with the upgrade, a JWT in the first frame. */
  'two doors': twoDoors,
  'socket.io': {
    tickets: false,
    path: '/socket.io/?EIO=4&transport=websocket',
    headers: () => [origin],
    greets: true,
    hello: ({ token }) => `40${JSON.stringify({ token })}`,
    welcome: '40{"sid"'
  },
  'graphql-ws': {
    tickets: false,
    headers: () => [origin, 'Sec-WebSocket-Protocol: graphql-transport-ws'],
    hello: ({ token }) => JSON.stringify({ type: 'connection_init', payload: { token } }),
    welcome: '"connection_ack"'
  }
} satisfies Record<string, Dialect>

export type DialectName = keyof typeof dialects
