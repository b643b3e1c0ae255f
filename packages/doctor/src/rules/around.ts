import { type Rule, rule } from '../rule.js'

/** What is around the WebSocket: TLS, and the end of a server. */
export const around = [
  rule({ id: 'tls', title: 'Credentials travel over TLS', area: 'tls', section: '5.1', level: 'must', cost: 0, needs: [] }, {
    proves: 'Everybody on the way reads tickets and JWTs.',
    cure: 'Use wss: and https:, and end TLS in the process or in front of it.'
  }),
  rule({ id: 'tls-version', title: 'TLS is 1.2 or newer', area: 'tls', section: 'threat model, 4', level: 'must', cost: 2, needs: ['tls'] }, {
    proves: 'Old versions have weaknesses that are known (RFC 8996).',
    cure: 'Set the lowest version to TLS 1.2.'
  }),
  rule({ id: 'tls-certificate', title: 'The certificate can be verified', area: 'tls', section: 'threat model, 4', level: 'must', cost: 1, needs: ['tls'] }, {
    proves: 'Clients cannot tell the server from somebody between.',
    cure: 'Use a certificate of the host from an authority that clients trust; give yours with --ca.'
  }),
  rule({ id: 'hsts', title: 'Browsers are told to use TLS alone', area: 'tls', section: 'RFC 6797', level: 'should', cost: 1, needs: ['tls'] }, {
    proves: 'The first request of a page goes out in the clear, where somebody between can answer it.',
    cure: 'Send Strict-Transport-Security: max-age=31536000.'
  }),
  rule({ id: 'drain', title: 'A server that stops says so', area: 'drain', section: '8', level: 'must', cost: 2, needs: ['way in', 'drain'], slow: true }, {
    proves: 'Clients see a broken connection, and do not know whether to come back.',
    cure: 'Close with 1012 before the process ends: websocketOptions() and close-with-grace.'
  }),
  rule({ id: 'ticket-hash', title: 'The store has only hashes of tickets', area: 'inside', section: '4.3, 14.2 (1)', level: 'must', cost: 0, needs: [] }, {
    proves: 'Who reads the store, or a backup, gets in.',
    cure: 'Look into the store: no ticket stands there as the client has it.'
  }),
  rule({ id: 'logs', title: 'No credential is logged', area: 'inside', section: '14.2 (16), T2', level: 'must', cost: 0, needs: [] }, {
    proves: 'Who reads logs gets in.',
    cure: 'Search the logs of the time of this examination for "eyJ" and "ticket=".'
  }),
  rule({ id: 'revocation', title: 'Tickets of a user can be revoked', area: 'inside', section: '4.3', level: 'must', cost: 0, needs: [] }, {
    proves: 'A logout leaves a way in.',
    cure: 'Log out with a ticket in hand, and try it.'
  }),
  rule({ id: 'fail-closed', title: 'A check that cannot be made refuses', area: 'inside', section: '14.2 (14)', level: 'must', cost: 0, needs: [] }, {
    proves: 'Who stops the store, or the authority, gets in.',
    cure: 'Stop the ticket store, and expect 503.'
  })
] satisfies readonly Rule[]
