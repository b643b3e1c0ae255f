import { createError } from '@fastify/error'

/** 500: an option is unknown or has the wrong type. The message names it. */
export const WSA_TESTING_ERR_OPTION = createError<'WSA_TESTING_ERR_OPTION', [string]>(
  'WSA_TESTING_ERR_OPTION', 'Invalid option for testing: %s', 500, TypeError
)

/** 500: a device has to show a JWT, and nobody can sign one. */
export const WSA_TESTING_ERR_NO_LOGIN = createError<'WSA_TESTING_ERR_NO_LOGIN', [string]>(
  'WSA_TESTING_ERR_NO_LOGIN',
  'There is no JWT for %s: register @fastify/jwt, give the option `sign`, or call `device.login(path, body)` first',
  500
)

/** 500: a login was answered, but without a token and without a cookie. */
export const WSA_TESTING_ERR_LOGIN_ANSWER = createError<'WSA_TESTING_ERR_LOGIN_ANSWER', [string]>(
  'WSA_TESTING_ERR_LOGIN_ANSWER',
  'The answer of %s has neither a member `token` nor a cookie: give `login` a third argument that reads the token from the answer',
  500
)

/** 500: the server has no `injectWS`. */
export const WSA_TESTING_ERR_NO_INJECT = createError(
  'WSA_TESTING_ERR_NO_INJECT', 'There is no injectWS: register @fastify/websocket, or leave `transport` out', 500
)

/** 500: something was used that needs a port, on a server that has none. */
export const WSA_TESTING_ERR_NO_PORT = createError(
  'WSA_TESTING_ERR_NO_PORT', "The server listens on no port: give testServer the option transport: 'port'", 500
)

/** 500: a clock was replaced while another fake is in its place. */
export const WSA_TESTING_ERR_CLOCK = createError(
  'WSA_TESTING_ERR_CLOCK', 'Another fake clock is in place: restore it first, and run such tests one after the other', 500
)

/** 500: a node of `testNodes` could not be made, or its hub did not come to hear the bus. `cause` says why. */
export const WSA_TESTING_ERR_NODE = createError<'WSA_TESTING_ERR_NODE', [number, string, { cause: unknown }?]>(
  'WSA_TESTING_ERR_NODE', 'Node %d of testNodes: %s', 500
)

/** 500: something was asked of a node that was killed, or of what it shared with others. */
export const WSA_TESTING_ERR_KILLED = createError<'WSA_TESTING_ERR_KILLED', [string]>(
  'WSA_TESTING_ERR_KILLED', '%s: the test has killed this node', 500
)

/** 410: a client has asked for a ticket or a JWT after its device was closed. By the `status` it knows that it need not come back. */
export class WSA_TESTING_ERR_DEVICE_CLOSED extends createError<'WSA_TESTING_ERR_DEVICE_CLOSED', [string]>(
  'WSA_TESTING_ERR_DEVICE_CLOSED', 'The device of %s was closed: call `clientOptions` again for a new client', 410
) {
  /** What the client takes for the status of an answer. */
  readonly status = 410
}

/** A request or an upgrade was refused. 500 as a status of its own; `status` is what the server has answered. */
export class WSA_TESTING_ERR_REFUSED extends createError<'WSA_TESTING_ERR_REFUSED', [string, number, string]>(
  'WSA_TESTING_ERR_REFUSED', '%s: HTTP %d %s', 500
) {
  /** The HTTP status. */
  readonly status: number
  /** The code in the answer's body, such as `WSA_GUARD_ERR_ORIGIN`; empty where it has none, as always with `injectWS`. */
  readonly refusal: string
  /** The answer's headers, by names in lower case. */
  readonly headers: Record<string, string>
  /** The answer's body. */
  readonly body: string

  constructor (what: string, { status, headers, body }: { status: number, headers: Record<string, string>, body: string }) {
    const refusal = codeOf(body)
    super(what, status, refusal)
    this.status = status
    this.refusal = refusal
    this.headers = headers
    this.body = body
  }
}

/** A connection has closed while something was expected of it, or before it was open. */
export class WSA_TESTING_ERR_CLOSED extends createError<'WSA_TESTING_ERR_CLOSED', [string, number, string]>(
  'WSA_TESTING_ERR_CLOSED', 'The connection of %s has closed: %d %s', 500
) {
  /** The close code; 1006 where there was no close frame. */
  readonly closeCode: number
  /** The close reason. */
  readonly reason: string

  constructor (whose: string, code: number, reason: string) {
    super(whose, code, reason)
    this.closeCode = code
    this.reason = reason
  }
}

/** 500: what was waited for has not come in time. The message tells what has come in its place, or was seen last. */
export const WSA_TESTING_ERR_TIMEOUT = createError<'WSA_TESTING_ERR_TIMEOUT', [string, number, string]>(
  'WSA_TESTING_ERR_TIMEOUT', '%s has not come within %d ms. %s', 500
)

/** Something has come that should never. */
export class WSA_TESTING_ERR_UNEXPECTED extends createError<'WSA_TESTING_ERR_UNEXPECTED', [string, string]>(
  'WSA_TESTING_ERR_UNEXPECTED', '%s has got what it should not: %s', 500
) {
  /** What has come. */
  readonly received: unknown

  constructor (whose: string, received: unknown, text: string) {
    super(whose, text)
    this.received = received
  }
}

function codeOf (body: string): string {
  try {
    const { code } = JSON.parse(body) as { code?: unknown }
    return typeof code === 'string' ? code : ''
  } catch {
    return ''
  }
}
