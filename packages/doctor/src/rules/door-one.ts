import { type Rule, rule } from '../rule.js'

/** The upgrade, its Origin and its subprotocol: everything before the 101. */
export const doorOne = [
  rule({ id: 'no-ticket', title: 'Without a credential there is no 101', area: 'upgrade', section: '5.1, 14.2 (3, 5)', level: 'must', cost: 1, needs: ['door one'] }, {
    proves: 'Anybody opens a WebSocket, and holds memory and a file descriptor of the server for as long as they like.',
    cure: 'Put the guard before the route: preValidation: app.wsGuard().'
  }),
  rule({ id: 'invented-ticket', title: 'An invented credential opens nothing', area: 'upgrade', section: '5.1, 14.2 (2)', level: 'must', cost: 1, needs: ['door one'] }, {
    proves: 'The credential is looked for, and not looked at.',
    cure: 'Verify the credential before the 101, and return or throw when it is wrong.'
  }),
  rule({ id: 'bad-upgrade', title: 'A bad opening handshake is refused', area: 'upgrade', section: '5.1, 14.2 (3)', level: 'must', cost: 13, needs: ['way in'] }, {
    proves: 'A proxy and the server may read the same bytes as two different requests.',
    cure: 'Check the opening handshake as RFC 6455, section 4.2.1, has it: method, version, Upgrade, Connection, key, Host, no body.'
  }),
  rule({ id: 'spends-nothing', title: 'A refused upgrade spends no ticket', area: 'upgrade', section: '5.1, 14.2 (3)', level: 'must', cost: 28, needs: ['tickets', 'let in'] }, {
    proves: 'A link, a prefetch or a scanner that meets a URL with a ticket uses it up, and the client cannot get in.',
    cure: 'Take the ticket from the store after every other check.'
  }),
  rule({ id: 'refusal-status', title: 'Refusals have the status of the protocol', area: 'upgrade', section: '5.6, 14.2 (5)', level: 'must', cost: 0, needs: ['airlock'] }, {
    proves: 'Clients decide by the status whether to come back, so they do the wrong thing.',
    cure: 'Answer 400, 401, 403, 429 or 503 as the table in section 5.6 has it.'
  }),
  rule({ id: 'refusal-form', title: 'Refusals are JSON, and a 401 says WWW-Authenticate', area: 'upgrade', section: '5.6', level: 'must', cost: 1, needs: ['airlock', 'door one'] }, {
    proves: 'Clients and logs cannot tell why somebody was refused.',
    cure: 'Answer with statusCode, error and message in JSON, and WWW-Authenticate with 401 (RFC 9110, section 11.6.1).'
  }),
  rule({ id: 'refusal-leak', title: 'Refusals repeat no credential', area: 'upgrade', section: '14.2 (16)', level: 'must', cost: 2, needs: [] }, {
    proves: 'Proxies log answers, and so a credential that is good elsewhere.',
    cure: 'Keep the URL and the headers of the request out of error messages: notFoundHandler() for 404.'
  }),
  rule({ id: 'refusal-ends', title: 'A refusal ends the connection', area: 'upgrade', section: '5.6, 14.2 (5)', level: 'must', cost: 1, needs: ['door one'] }, {
    proves: 'Whoever is refused keeps a connection that nobody reads any more.',
    cure: 'Close the TCP connection after the answer.'
  }),
  rule({ id: 'jwt-in-url', title: 'A JWT in the URL opens nothing', area: 'upgrade', section: '5.2, T1', level: 'must', cost: 6, needs: ['door one', 'token'] }, {
    proves: 'Access logs and histories hold JWTs that act as the user everywhere until they expire.',
    cure: 'Take a single-use ticket on the upgrade, and the JWT in the first frame.'
  }),
  rule({ id: 'wrong-subprotocol', title: 'A subprotocol that the route does not speak is refused', area: 'upgrade', section: '5.3, 14.2 (3)', level: 'must', cost: 2, needs: ['way in', 'subprotocol', 'airlock'] }, {
    proves: 'The ticket is spent on a connection that the browser then fails.',
    cure: 'Answer 400 when none of the subprotocols is spoken.'
  }),
  rule({ id: 'carrier-echo', title: 'The 101 selects no carrier', area: 'upgrade', section: '5.3, 14.2 (4), T3', level: 'must', cost: 6, needs: ['way in'] }, {
    proves: 'The credential comes back in the 101, and into the logs of everything between.',
    cure: 'Select a subprotocol from a list; never the first that is offered, as ws does by default.'
  }),
  rule({ id: 'wrong-origin', title: 'The origin "null" is refused', area: 'origin', section: '5.4, 14.2 (3)', level: 'must', cost: 2, needs: ['way in'] }, {
    proves: 'A sandboxed frame or a local file of anybody opens WebSockets in the name of its visitor.',
    cure: 'Compare Origin with a list that does not have "null".'
  }),
  rule({ id: 'foreign-origin', title: 'A foreign origin is refused', area: 'origin', section: '5.4, 14.2 (3), T4', level: 'must', cost: 2, needs: ['way in'] }, {
    proves: 'Every page on the web opens WebSockets in the name of its visitor: cross-site WebSocket hijacking.',
    cure: 'Compare Origin with a list: guard: { allowedOrigins: [\'https://app.example.com\'] }.'
  }),
  rule({ id: 'lookalike-origin', title: 'An origin that only looks right is refused', area: 'origin', section: '5.4', level: 'must', cost: 8, needs: ['way in'] }, {
    proves: 'A page on a name that contains yours, on another port or without TLS, is taken for yours.',
    cure: 'Compare whole origins, not parts of them: no includes(), no startsWith(), no pattern without its ends.'
  }),
  rule({ id: 'missing-origin', title: 'A cookie without an Origin opens nothing', area: 'origin', section: '5.4', level: 'must', cost: 2, needs: ['tickets', 'way in'] }, {
    proves: 'Where something removes Origin, cookies that the browser sends by itself are enough.',
    cure: 'Refuse an upgrade without Origin when its credential is a cookie: missingOrigin: \'auto\'.'
  })
] satisfies readonly Rule[]

/** Tickets, and the route that issues them. */
export const tickets = [
  rule({ id: 'used-ticket', title: 'A ticket opens the door once', area: 'tickets', section: '4.3, 14.2 (2)', level: 'must', cost: 3, needs: ['tickets', 'let in'] }, {
    proves: 'A ticket from a log opens the door again.',
    cure: 'Remove the ticket when it is redeemed: reuse: false.'
  }),
  rule({ id: 'ticket-race', title: 'Of 50 clients with one ticket, one gets in', area: 'tickets', section: '4.3, 14.2 (2)', level: 'must', cost: 51, needs: ['tickets', 'let in', 'race'] }, {
    proves: 'A thief who is fast gets in beside the owner.',
    cure: 'Look up and remove the ticket in one operation of the store, such as GETDEL or findOneAndDelete.'
  }),
  rule({ id: 'expired-ticket', title: 'An expired ticket opens nothing', area: 'tickets', section: '4.3, 14.2 (2)', level: 'must', cost: 2, needs: ['tickets', 'let in'], slow: true }, {
    proves: 'A ticket from a log opens the door as long as nobody has used it.',
    cure: 'Compare the time of issue in the same operation that removes the ticket; do not leave it to a cleaner.'
  }),
  rule({ id: 'two-credentials', title: 'Two credentials in two carriers are refused', area: 'tickets', section: '5.2, 14.2 (4)', level: 'must', cost: 2, needs: ['tickets', 'let in'] }, {
    proves: 'What a proxy checks is another credential than the one that the server takes.',
    cure: 'Look into every carrier before one is checked, and answer 400 when two have a credential.'
  }),
  rule({ id: 'several-credentials', title: 'Two credentials in one carrier are refused', area: 'tickets', section: '5.2, 14.2 (4)', level: 'must', cost: 8, needs: ['tickets', 'let in'] }, {
    proves: 'What a proxy checks is another credential than the one that the server takes.',
    cure: 'Count the values of a carrier, and answer 400 for more than one.'
  }),
  rule({ id: 'ticket-form', title: 'Tickets are random, short-lived and announced', area: 'tickets', section: '4.2, 14.2 (1)', level: 'must', cost: 3, needs: ['tickets', 'airlock'] }, {
    proves: 'A ticket can be guessed, or lives too long.',
    cure: 'Encode 32 bytes of crypto.randomBytes() in base64url; say expiresIn (at most 900 s) and protocol.'
  }),
  rule({ id: 'ticket-method', title: 'Only POST issues tickets', area: 'tickets', section: '4.1, 14.2 (1), T5', level: 'must', cost: 4, needs: ['tickets'] }, {
    proves: 'A link or a picture on any page makes tickets, and caches keep them.',
    cure: 'Declare the route for POST alone.'
  }),
  rule({ id: 'ticket-login', title: 'Who is not logged in gets no ticket', area: 'tickets', section: '4.1, 14.2 (1)', level: 'must', cost: 4, needs: ['tickets'] }, {
    proves: 'Anybody makes a ticket of their own.',
    cure: 'Authenticate the request as every other of the application, and return after a refusal.'
  }),
  rule({ id: 'ticket-no-store', title: 'Answers of the ticket route are not stored', area: 'tickets', section: '4.2, 14.2 (1)', level: 'must', cost: 2, needs: ['tickets'] }, {
    proves: 'A cache hands the ticket of one user to another.',
    cure: 'Send Cache-Control: no-store with every answer of the route, refusals included.'
  }),
  rule({ id: 'ticket-elsewhere', title: 'A ticket stands in the body alone', area: 'tickets', section: '4.2, T1', level: 'must', cost: 1, needs: ['tickets'] }, {
    proves: 'Proxies log headers such as Location, and so the ticket.',
    cure: 'Answer 201 with the ticket in a JSON body, and no header that repeats it.'
  }),
  rule({ id: 'ticket-cors', title: 'Pages of other origins cannot read tickets', area: 'tickets', section: 'T5', level: 'must', cost: 2, needs: ['tickets'] }, {
    proves: 'A hostile page asks for a ticket with its visitor\'s cookie, reads it, and opens the WebSocket.',
    cure: 'Send no Access-Control-Allow-Origin, or that of a list; never the Origin of the request with credentials.'
  }),
  rule({ id: 'ticket-body', title: 'The ticket route takes small bodies only', area: 'tickets', section: '4.1, 10', level: 'must', cost: 3, needs: ['tickets', 'airlock'] }, {
    proves: 'Whoever asks for a ticket makes the server parse as much as they like.',
    cure: 'Set bodyLimit of the route to 1,024 bytes, and answer 400 to what is no JSON object.'
  }),
  rule({ id: 'retry-after', title: 'Too many requests are told when to come back', area: 'tickets', section: '4.4, 5.6', level: 'should', cost: 70, needs: ['tickets', 'exhaust'] }, {
    proves: 'A user takes tickets without end; or all clients that were refused come back at once.',
    cure: 'Limit the route with @fastify/rate-limit, and send Retry-After with 429 and 503.'
  })
] satisfies readonly Rule[]
