import t from 'tap'
import { problemOf } from '../src/jwt-error.js'

const error = (members: object, message = 'x'): Error => Object.assign(new Error(message), members)

const circle = new Error('x')
circle.cause = circle

t.test('what an error of a verifier means', async t => {
  const cases: Array<[string, unknown, { custom: string, lookup: string }]> = [
    ['expired', error({ code: 'FAST_JWT_EXPIRED' }), { custom: 'token expired', lookup: 'token expired' }],
    ['expired, of @fastify/jwt', error({ code: 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED', statusCode: 401 }), { custom: 'token expired', lookup: 'token expired' }],
    ['expired, of jose', error({ code: 'ERR_JWT_EXPIRED' }), { custom: 'token expired', lookup: 'token expired' }],
    ...[
      'FAST_JWT_INVALID_SIGNATURE', 'FAST_JWT_INVALID_ALGORITHM', 'FST_JWT_BAD_REQUEST', 'ERR_JWT_CLAIM_VALIDATION_FAILED', 'ERR_JWS_INVALID',
      'ERR_JWS_SIGNATURE_VERIFICATION_FAILED', 'ERR_JWKS_NO_MATCHING_KEY', 'ERR_JWKS_MULTIPLE_MATCHING_KEYS', 'ERR_JOSE_ALG_NOT_ALLOWED',
      'ERR_JOSE_NOT_SUPPORTED', 'JWK_NOT_FOUND', 'DOMAIN_NOT_ALLOWED'
    ].map((code): [string, unknown, { custom: string, lookup: string }] =>
      [code, error({ code }), { custom: 'token invalid', lookup: 'token invalid' }]),
    ['a status of the client', error({ statusCode: 403 }), { custom: 'token invalid', lookup: 'token invalid' }],
    ['any error', error({}), { custom: 'token invalid', lookup: 'throws' }],
    ['any code', error({ code: 'E_SOMETHING' }), { custom: 'token invalid', lookup: 'throws' }],
    ['a time that is no date', new RangeError('Invalid time value'), { custom: 'token invalid', lookup: 'token invalid' }],
    ['another range', new RangeError('x'), { custom: 'token invalid', lookup: 'throws' }],
    ['nothing at all', undefined, { custom: 'token invalid', lookup: 'throws' }],
    ...[
      'FAST_JWT_KEY_FETCHING_ERROR', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC', 'JWKS_REQUEST_FAILED',
      'OPENID_CONFIGURATION_REQUEST_FAILED', 'NO_JWKS', 'ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT'
    ].map((code): [string, unknown, { custom: string, lookup: string }] =>
      [code, error({ code }), { custom: 'throws', lookup: 'throws' }]),
    ['a status of a server', error({ statusCode: 503 }), { custom: 'throws', lookup: 'throws' }],
    ...[500, 502, 503, 599, 408, 421, 425, 429, '503', NaN, 0, -1, 200, 302, 600, 999, 401.5, null, {}].map((statusCode): [string, unknown, { custom: string, lookup: string }] =>
      [`statusCode ${String(statusCode)}`, error({ statusCode }), { custom: 'throws', lookup: 'throws' }]),
    ...[400, 401, 403, 404, 410, 422].map((statusCode): [string, unknown, { custom: string, lookup: string }] =>
      [`statusCode ${statusCode}`, error({ statusCode }), { custom: 'token invalid', lookup: 'token invalid' }]),
    ...[{ status: 503 }, { response: { status: 502 } }, { response: { statusCode: 429 } }, { syscall: 'open' }, { errors: [{}, error({ code: 'ECONNREFUSED' })] }].map(
      (members): [string, unknown, { custom: string, lookup: string }] => [JSON.stringify(members), error(members), { custom: 'throws', lookup: 'throws' }]),
    ...[{ status: 401 }, { response: null }, { response: { status: 401 } }, { errors: 'x' }, { errors: [] }, { name: 1 }, { code: 1 }].map(
      (members): [string, unknown, { custom: string, lookup: string }] => [JSON.stringify(members), error(members), { custom: 'token invalid', lookup: 'throws' }]),
    ['a time-out', error({ name: 'TimeoutError' }), { custom: 'throws', lookup: 'throws' }],
    ['an abort', error({ name: 'AbortError' }), { custom: 'throws', lookup: 'throws' }],
    ['fetch', Object.assign(new TypeError('fetch failed')), { custom: 'throws', lookup: 'throws' }],
    ['a cause', new Error('x', { cause: error({ code: 'ENOTFOUND' }) }), { custom: 'throws', lookup: 'throws' }],
    ['a cause of a cause', new Error('x', { cause: new Error('y', { cause: new TypeError('fetch failed') }) }), { custom: 'throws', lookup: 'throws' }],
    ['a cause that says nothing', new Error('x', { cause: 'y' }), { custom: 'token invalid', lookup: 'throws' }],
    ['causes in a circle', circle, { custom: 'token invalid', lookup: 'throws' }],
    ['a mistake in the code of the verifier', new TypeError('x is not a function'), { custom: 'token invalid', lookup: 'throws' }]
  ]
  for (const [name, thrown, expected] of cases) {
    for (const [kind, isLookup] of [['custom', false], ['lookup', true]] as const) {
      let result: string
      try {
        result = problemOf(thrown, isLookup)
      } catch (rethrown) {
        t.equal(rethrown, thrown)
        result = 'throws'
      }
      t.equal(result, expected[kind], `${name}, ${kind}`)
    }
  }
})
