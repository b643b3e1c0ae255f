import { type Rule, rule } from '../rule.js'

/** The first frame: what may be in it, and what happens before it. */
export const firstFrame = [
  rule({ id: 'silence', title: 'Who shows no JWT is closed in time', area: 'first frame', section: '6.1, 14.2 (7)', level: 'must', cost: 2, needs: ['way in', 'first frame'], slow: true }, {
    proves: 'A ticket and silence hold a connection for good.',
    cure: 'Close with 4408 when no auth message has come within 5 s: wsHandshake(handler).'
  }),
  rule({ id: 'quiet', title: 'The server says nothing before auth_ok', area: 'first frame', section: '14.2 (6, 13)', level: 'must', cost: 0, needs: ['way in', 'first frame'] }, {
    proves: 'Broadcasts and greetings reach strangers.',
    cure: 'Send to authenticated connections alone: app.wsHub.broadcast() in place of websocketServer.clients.'
  }),
  rule({ id: 'early-frame', title: 'The first frame has to be the JWT', area: 'first frame', section: '6.1, 14.2 (6, 7)', level: 'must', cost: 2, needs: ['way in', 'first frame'] }, {
    proves: 'The application handles messages of strangers.',
    cure: 'Close with 4400 when the first message is anything but auth: wsHandshake(handler).'
  }),
  rule({ id: 'early-frames', title: 'Messages before the JWT end the connection', area: 'first frame', section: '6.1, 14.2 (7)', level: 'must', cost: 2, needs: ['way in', 'first frame', 'token'] }, {
    proves: 'What a stranger has sent is kept, and handled in the name of the next user.',
    cure: 'Allow one attempt: what follows a bad first frame is never read.'
  }),
  rule({ id: 'first-frame-form', title: 'A first frame that is no auth message is refused', area: 'first frame', section: '6.1, 14.2 (7)', level: 'must', cost: 14, needs: ['way in', 'first frame', 'token'] }, {
    proves: 'A malformed message passes the door, or makes the server fail.',
    cure: 'Take text with a JSON object and a non-empty string as the token, and close with 4400 otherwise.'
  }),
  rule({ id: 'oversized-frame', title: 'A large first frame is refused', area: 'first frame', section: '6.1, 14.2 (7)', level: 'must', cost: 2, needs: ['way in', 'first frame', 'token'] }, {
    proves: 'A stranger makes the server parse and verify as much as they like.',
    cure: 'Close with 4400 when the first message exceeds 8,192 bytes.'
  }),
  rule({ id: 'endless-frame', title: 'A first frame that grows is refused before its end', area: 'first frame', section: '6.1, 14.2 (7)', level: 'must', cost: 2, needs: ['way in', 'first frame'] }, {
    proves: 'A stranger fills the memory of the server with a message that never ends.',
    cure: 'Decide by the length in the head of the frame, not when the message is complete.'
  }),
  rule({ id: 'one-attempt', title: 'A wrong JWT has no second attempt', area: 'first frame', section: '6.1, 14.2 (7, 12)', level: 'must', cost: 2, needs: ['let in', 'first frame', 'token', 'jwt'] }, {
    proves: 'One ticket is enough to try any number of JWTs.',
    cure: 'Handle nothing after the close frame.'
  }),
  rule({ id: 'early-dropped', title: 'Messages behind a wrong JWT are dropped', area: 'first frame', section: '6.3, 14.2 (6)', level: 'must', cost: 4, needs: ['let in', 'first frame', 'token', 'jwt'] }, {
    proves: 'The application handles messages of strangers.',
    cure: 'Keep messages until auth_ok, and drop them with the connection.'
  }),
  rule({ id: 'early-order', title: 'Messages right behind the JWT are neither lost nor reordered', area: 'first frame', section: '6.3, 14.2 (9)', level: 'must', cost: 4, needs: ['let in', 'first frame', 'token'] }, {
    proves: 'Clients lose what they send while the JWT is verified.',
    cure: 'Keep up to 16 messages before auth_ok, and pass them on in their order.'
  }),
  rule({ id: 'alias', title: 'The alias "jwt" is accepted', area: 'first frame', section: '6.1, 14.2 (7)', level: 'must', cost: 2, needs: ['let in', 'first frame', 'token', 'airlock'] }, {
    proves: 'Clients of an earlier form do not get in.',
    cure: 'Take {"type":"jwt"} for {"type":"auth"}.'
  }),
  rule({ id: 'auth-twice', title: 'A second JWT ends the connection', area: 'first frame', section: '6.4, 14.2 (7)', level: 'must', cost: 2, needs: ['let in', 'first frame', 'token', 'airlock'] }, {
    proves: 'A connection changes its user without a new ticket.',
    cure: 'Close with 4429.'
  }),
  rule({ id: 'not-admin', title: 'A route for others stays closed', area: 'first frame', section: '6.1', level: 'must', cost: 2, needs: ['first frame', 'token', 'forbidden url'] }, {
    proves: 'Every user may do what only some may.',
    cure: 'Give the handshake of the route an authorize function.'
  })
] satisfies readonly Rule[]

/** What tokens are taken. */
export const tokens = [
  rule({ id: 'forged-jwt', title: 'A JWT with changed claims is refused', area: 'tokens', section: '6.1, 14.2 (8)', level: 'must', cost: 2, needs: ['let in', 'token', 'jwt'] }, {
    proves: 'Everybody is whoever they like.',
    cure: 'Verify the signature: jwt.verify(), never jwt.decode().'
  }),
  rule({ id: 'alg-none', title: 'A JWT without a signature is refused', area: 'tokens', section: '6.1, 14.2 (8)', level: 'must', cost: 2, needs: ['let in', 'token', 'jwt'] }, {
    proves: 'Everybody is whoever they like.',
    cure: 'Pin the algorithms: verify: { algorithms: [\'HS256\'] } (RFC 8725, section 3.1).'
  }),
  rule({ id: 'unsigned-jwt', title: 'A JWT without a signature is refused, however it says so', area: 'tokens', section: '6.1, 14.2 (8)', level: 'must', cost: 10, needs: ['let in', 'token', 'jwt'] }, {
    proves: 'Everybody is whoever they like.',
    cure: 'Pin the algorithms; do not compare "none" by yourself, and do not take an empty signature.'
  }),
  rule({ id: 'embedded-key', title: 'A key that comes with the JWT is not used', area: 'tokens', section: '6.1, 14.2 (8)', level: 'must', cost: 6, needs: ['let in', 'token', 'jwt'] }, {
    proves: 'Everybody signs JWTs with a key of their own.',
    cure: 'Take keys from your configuration alone, never from jwk, jku, x5c or kid as it stands (RFC 8725, section 3.10).'
  }),
  rule({ id: 'key-confusion', title: 'The public key is no secret of HMAC', area: 'tokens', section: '6.1, 14.2 (8)', level: 'must', cost: 4, needs: ['let in', 'token', 'jwt', 'public key'] }, {
    proves: 'Everybody who has the public key signs JWTs.',
    cure: 'Pin the algorithms to those of the key: RS256 or ES256, and not HS256 beside it.'
  }),
  rule({ id: 'weak-secret', title: 'The secret of HMAC is in no list', area: 'tokens', section: 'T, RFC 7518 section 3.2', level: 'must', cost: 0, needs: ['token', 'jwt'] }, {
    proves: 'Everybody who guesses the secret signs JWTs.',
    cure: 'Use 32 random bytes: openssl rand -base64 32.'
  }),
  rule({ id: 'expired-jwt', title: 'An expired JWT is refused', area: 'tokens', section: '6.1, 14.2 (8)', level: 'must', cost: 2, needs: ['let in', 'token', 'expired token'] }, {
    proves: 'Who has a JWT of last year gets in.',
    cure: 'Verify exp; do not set ignoreExpiration.'
  }),
  rule({ id: 'jwt-claims', title: 'JWTs have exp and sub', area: 'tokens', section: '6.1, 14.2 (8)', level: 'must', cost: 0, needs: ['let in', 'token', 'jwt'] }, {
    proves: 'A stolen JWT is good for good, or names nobody.',
    cure: 'Require both claims: requiredClaims: [\'exp\', \'sub\'], and sign with expiresIn.'
  }),
  rule({ id: 'other-jwt', title: 'The JWT of another user does not fit the ticket', area: 'tokens', section: '6.1, 14.2 (8)', level: 'must', cost: 2, needs: ['let in', 'first frame', 'token', 'second token'] }, {
    proves: 'A stolen JWT is enough, with a ticket of the thief\'s own.',
    cure: 'Compare sub with the subject of the ticket, and close with 4403.'
  })
] satisfies readonly Rule[]

/** What comes after `auth_ok`. */
export const later = [
  rule({ id: 'refresh', title: 'A new JWT can be shown', area: 'refresh', section: '7.2, 14.2 (11)', level: 'must', cost: 2, needs: ['let in', 'first frame', 'token', 'refresh'] }, {
    proves: 'Connections end with each JWT, or outlive it.',
    cure: 'Answer refresh with refresh_ok.'
  }),
  rule({ id: 'refresh-subject', title: 'A refresh cannot change the user', area: 'refresh', section: '7.2, 14.2 (11)', level: 'must', cost: 2, needs: ['let in', 'first frame', 'token', 'second token', 'refresh'] }, {
    proves: 'A stolen JWT takes over an open connection.',
    cure: 'Compare sub with that of the connection, and close with 4403.'
  }),
  rule({ id: 'refresh-forged', title: 'A refresh is verified', area: 'refresh', section: '7.2, 14.2 (11)', level: 'must', cost: 2, needs: ['let in', 'first frame', 'token', 'jwt', 'refresh'] }, {
    proves: 'A connection lives on, and gains rights, with claims that its client has written.',
    cure: 'Verify the token of a refresh as that of an auth.'
  }),
  rule({ id: 'refresh-scope', title: 'A refresh cannot gain rights', area: 'refresh', section: '7.2, 14.2 (11)', level: 'must', cost: 2, needs: ['let in', 'first frame', 'token', 'wider token', 'refresh'] }, {
    proves: 'A connection gains rights that nothing has checked it for.',
    cure: 'Compare scope and roles, and close with 4403.'
  }),
  rule({ id: 'refresh-flood', title: 'Refreshes are limited', area: 'refresh', section: '7.2', level: 'should', cost: 2, needs: ['let in', 'first frame', 'token', 'refresh', 'airlock'] }, {
    proves: 'One client keeps the server busy with signatures.',
    cure: 'Answer 20 at once and one a second, and close with 4429.'
  }),
  rule({ id: 'expiry', title: 'An expired JWT ends its connection', area: 'refresh', section: '7.1, 14.2 (11)', level: 'must', cost: 2, needs: ['let in', 'first frame', 'short token'], slow: true }, {
    proves: 'A login that has ended lives on in its connections.',
    cure: 'Close with 4401 after exp and the grace.'
  }),
  rule({ id: 'close-codes', title: 'Closes have the code of the protocol', area: 'closes', section: '8, 14.2 (12)', level: 'must', cost: 0, needs: ['airlock', 'first frame'] }, {
    proves: 'Clients decide by the code whether to come back, so they do the wrong thing.',
    cure: 'Close with the codes of the table in section 8.'
  }),
  rule({ id: 'auth-error', title: 'auth_error says the same as the close frame behind it', area: 'closes', section: '6.8, 14.2 (12)', level: 'must', cost: 0, needs: ['airlock', 'first frame'] }, {
    proves: 'Clients that see no close frame do not know why.',
    cure: 'Send auth_error with the same code and reason before the close frame.'
  }),
  rule({ id: 'close-cut', title: 'A peer that does not answer a close is cut', area: 'closes', section: '8, 14.2 (12)', level: 'must', cost: 2, needs: ['way in', 'first frame'], slow: true }, {
    proves: 'Clients that were refused stay connected for as long as they like.',
    cure: 'Cut the connection 2 s after the close frame; ws alone waits for 30 s.'
  }),
  rule({ id: 'close-answer', title: 'The server answers a close', area: 'closes', section: '8, RFC 6455 section 5.5.1', level: 'must', cost: 2, needs: ['way in'] }, {
    proves: 'Clients wait for an answer that does not come.',
    cure: 'Answer the close frame, also before auth_ok.'
  }),
  rule({ id: 'payload-limit', title: 'Large messages are refused by their head', area: 'limits', section: '8, 10, T23', level: 'must', cost: 2, needs: ['way in'] }, {
    proves: 'One client makes the server hold 64 MiB; by default ws takes 100 MiB.',
    cure: 'Set maxPayload: websocketOptions() has 64 KiB.'
  }),
  rule({ id: 'masking', title: 'Frames without a mask are refused', area: 'limits', section: 'RFC 6455 section 5.1', level: 'must', cost: 2, needs: ['way in'] }, {
    proves: 'Proxies that do not know WebSockets can be made to read a payload as a request.',
    cure: 'Close with 1002, as every library does.'
  }),
  rule({ id: 'compression', title: 'Compression is off', area: 'limits', section: 'T23', level: 'should', cost: 2, needs: ['way in'] }, {
    proves: 'A small message inflates to a large one; and secrets are compressed beside what an attacker chooses.',
    cure: 'Set perMessageDeflate: false.'
  })
] satisfies readonly Rule[]
