/*
 * Errors in the shapes that libraries give them, read in the versions that are named: what says that somebody could not be
 * asked, and what is an answer.
 */

const error = (members: object, message = 'x'): Error => Object.assign(new Error(message), members)

/** An error of a class that names itself nowhere but in its constructor. */
function ofClass (name: string, members: object = {}, message = 'x'): Error {
  const Class = { [name]: class extends Error {} }[name] as ErrorConstructor
  return Object.assign(new Class(message), members)
}

/** An error whose code is a getter, as in Firebase. */
function firebase (code: string, message = 'x'): Error {
  class FirebaseError extends Error {
    readonly errorInfo = { code, message }
    get code (): string { return this.errorInfo.code }
  }
  return new FirebaseError(message)
}

const grpc = (code: number, text: string): Error => error({ code, details: text, metadata: {} }, `${code} ${text}`)
const aws = (name: string, httpStatusCode: number | undefined, members: object = {}): Error => error({ name, $fault: 'client', $metadata: { httpStatusCode, attempts: 3 }, ...members })
const mysql = (code: string, errno: number, sqlState: string, members: object = {}): Error => error({ code, errno, sqlState, sqlMessage: 'x', ...members })
const mongo = (name: string, code?: number): Error => {
  // As the driver does it, whose classes have a getter for it.
  class MongoError extends Error {
    readonly code = code
    override get name (): string { return name }
  }
  return new MongoError('x')
}
const reply = (message: string): Error => error({ name: 'ReplyError', command: { name: 'get', args: [] } }, message)
const many = (names: string[], make: (name: string) => Error): Array<[string, unknown]> => names.map(name => [name, make(name)])
const prefix = (library: string, rows: Array<[string, unknown]>): Array<[string, unknown]> => rows.map(([name, thrown]) => [`${library}: ${name}`, thrown])

/** Somebody could not be asked. */
export const outages: Array<[name: string, thrown: unknown]> = [
  ...prefix('Node', many([
    'ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'EPROTO', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EMFILE', 'ESERVFAIL', 'EREFUSED',
    'ERR_SOCKET_CLOSED', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END', 'ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_HTTP2_STREAM_ERROR',
    'HPE_INVALID_CONSTANT', 'CERT_HAS_EXPIRED', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UND_ERR_SOCKET', 'ABORT_ERR'
  ], code => error({ code }))),
  ['Node: any system call', error({ syscall: 'open' })],
  ['Node: an abort', AbortSignal.abort().reason],
  ['Node: a deadline', new DOMException('The operation was aborted due to timeout', 'TimeoutError')],
  ...prefix('fetch', many(['fetch failed', 'terminated', 'Failed to fetch', 'Failed to fetch (app.example)', 'Load failed', 'Network request failed', 'NetworkError when attempting to fetch resource.', 'error sending request for url (http://127.0.0.1:1/)'], message => new TypeError(message))),
  ['Bun: a refused connection', error({ code: 'ConnectionRefused' }, 'Unable to connect. Is the computer able to access the url?')],
  ['Deno: a refused connection', ofClass('ConnectionRefused')],
  // @grpc/grpc-js 1.14, Connect 2
  ...prefix('gRPC', [[1, 'CANCELLED'], [2, 'UNKNOWN'], [4, 'DEADLINE_EXCEEDED'], [8, 'RESOURCE_EXHAUSTED'], [10, 'ABORTED'], [12, 'UNIMPLEMENTED'], [13, 'INTERNAL'], [14, 'UNAVAILABLE'], [15, 'DATA_LOSS']].map(
    ([code, text]): [string, unknown] => [text as string, grpc(code as number, text as string)])),
  ['Connect: unavailable', error({ name: 'ConnectError', code: 14, rawMessage: 'unavailable', metadata: {} })],
  // @smithy/core 3, @aws-sdk/core 3
  ['AWS: no connection', error({ name: 'TimeoutError', $metadata: { attempts: 3, totalRetryDelay: 40 } })],
  ['AWS: 503', aws('ServiceException', 503, { $fault: 'server' })],
  ['AWS: 500 alone', aws('x', 500)],
  ['AWS: 429 alone', aws('x', 429)],
  ['AWS: a fault of the server without a status', aws('x', undefined, { $fault: 'server' })],
  ['AWS: worth another try', aws('x', 400, { $retryable: { throttling: true } })],
  ...prefix('AWS', many(['ThrottlingException', 'ThrottledException', 'EC2ThrottledException', 'RequestThrottled', 'TooManyRequestsException', 'ProvisionedThroughputExceededException', 'RequestLimitExceeded', 'SlowDown', 'RequestTimeout', 'InternalServerError', 'InternalFailure', 'ServiceUnavailableException'], name => aws(name, 400))),
  ...prefix('AWS', many(['CredentialsProviderError', 'TokenProviderError', 'ProviderError'], name => error({ name, tryNextLink: true }))),
  // firebase-admin 13
  ...prefix('Firebase', many(['app/network-error', 'app/network-timeout', 'app/unable-to-parse-response', 'app/invalid-credential', 'auth/internal-error', 'auth/quota-exceeded', 'messaging/server-unavailable', 'firestore/unavailable', 'firestore/deadline-exceeded'], code => firebase(code))),
  ['Firebase: no keys for an ID token', firebase('auth/argument-error', 'Error fetching public keys for Google certs: connect ECONNREFUSED')],
  ['Firebase: no JWKS', firebase('auth/argument-error', 'Error fetching Json Web Keys: Service Unavailable')],
  ['Firebase: the HTTP client', error({ response: { status: 503 } }, 'Server responded with status 503.')],
  ['gaxios: a status', error({ name: 'GaxiosError', status: 503, code: 503, response: { status: 503 } })],
  ['gaxios: nothing but a code', error({ name: 'GaxiosError', code: 503 })],
  // @clerk/backend 3
  ...prefix('Clerk', many(['jwk-remote-failed-to-load', 'jwk-failed-to-resolve', 'jwk-remote-invalid', 'jwk-remote-missing', 'jwk-local-missing', 'secret-key-invalid'], reason => ofClass('TokenVerificationError', { reason, action: 'x' }))),
  ['Clerk: no connection', ofClass('ClerkAPIResponseError', { status: undefined, errors: [{ code: 'unexpected_error', message: 'fetch failed' }] })],
  ['Clerk: a machine token', ofClass('MachineTokenVerificationError', { code: 'unexpected-error', status: 200 })],
  ['Clerk: 503', ofClass('ClerkAPIResponseError', { status: 503, errors: [] })],
  // jwks-rsa 4, jsonwebtoken 9, aws-jwt-verify 5, jose 6, get-jwks, fast-jwt
  ['jwks-rsa: 503', error({ name: 'JwksError', isEndpointUnavailable: true }, 'Service Unavailable')],
  ['jwks-rsa: no connection', error({ isEndpointUnavailable: true }, 'x')],
  ['jwks-rsa: no keys', error({ name: 'JwksError' }, 'The JWKS endpoint did not contain any keys')],
  ['jwks-rsa: its limit', error({ name: 'JwksRateLimitError' }, 'Too many requests to the JWKS endpoint')],
  ...prefix('jsonwebtoken over jwks-rsa', many(['connect ECONNREFUSED 127.0.0.1:1', 'getaddrinfo ENOTFOUND keys.test', 'Service Unavailable', 'Http Error 500', 'Too many requests to the JWKS endpoint', 'The JWKS endpoint did not contain any keys', 'socket hang up', 'Request timed out'],
    message => error({ name: 'JsonWebTokenError' }, `error in secret or public key callback: ${message}`))),
  ...prefix('aws-jwt-verify', many(['FetchError', 'NonRetryableFetchError', 'WaitPeriodNotYetEndedJwkError', 'JwksNotAvailableInCacheError', 'JwksValidationError'], name => ofClass(name))),
  ...prefix('key look-ups', many(['FAST_JWT_KEY_FETCHING_ERROR', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC', 'JWKS_REQUEST_FAILED', 'OPENID_CONFIGURATION_REQUEST_FAILED', 'NO_JWKS', 'NO_JWKS_URI', 'OAUTH_TIMEOUT', 'OAUTH_ABORT', 'OAUTH_RESPONSE_IS_NOT_JSON', 'OAUTH_RESPONSE_IS_NOT_CONFORM'], code => error({ code }))),
  ['openid-client: 503', error({ code: 'OAUTH_RESPONSE_BODY_ERROR', status: 503 })],
  ['Supabase: no connection', error({ name: 'AuthRetryableFetchError', status: 0, __isAuthError: true })],
  ['Supabase: 503', error({ name: 'AuthRetryableFetchError', status: 503 })],
  ['MSAL', error({ name: 'ClientAuthError', errorCode: 'network_error' })],
  ['Azure', error({ name: 'RestError', code: 'REQUEST_SEND_ERROR' })],
  // HTTP clients: got 14, ky 1, axios 1, superagent 10, node-fetch 3, ofetch 1, Boom 10
  ...prefix('HTTP client', many(['ERR_GOT_REQUEST_ERROR', 'ERR_READING_RESPONSE_STREAM', 'ERR_CACHE_ACCESS', 'ERR_BODY_PARSE_FAILURE', 'ERR_TOO_MANY_REDIRECTS', 'ERR_FR_TOO_MANY_REDIRECTS', 'ERR_NETWORK', 'ERR_CANCELED', 'ERR_ABORTED'], code => error({ code }))),
  ['got: 503', error({ name: 'HTTPError', code: 'ERR_NON_2XX_3XX_RESPONSE', response: { statusCode: 503 } })],
  ['ky: 503', error({ name: 'HTTPError', response: { status: 503 } })],
  ['axios: 503', error({ name: 'AxiosError', code: 'ERR_BAD_RESPONSE', response: { status: 503 } })],
  ['superagent: 503', error({ status: 503, response: { status: 503 } })],
  ['node-fetch', ofClass('FetchError', { type: 'system', code: 'ECONNREFUSED' })],
  ['node-fetch: an end in the middle', ofClass('FetchError', {}, 'Premature close of server response')],
  ['ofetch: no answer', error({ name: 'FetchError' })],
  ['Boom: 503', error({ isBoom: true, output: { statusCode: 503 } })],
  ...prefix('a status', [408, 421, 425, 429, 500, 502, 503, 504].map((status): [string, unknown] => [String(status), error({ status })])),
  // node-redis 6, whose classes have no names but their own; ioredis 6
  ...prefix('node-redis', many(['ClientClosedError', 'ClientOfflineError', 'ConnectionTimeoutError', 'SocketTimeoutError', 'DisconnectsClientError', 'SocketClosedUnexpectedlyError', 'RootNodesUnavailableError', 'ReconnectStrategyError', 'AbortError', 'TimeoutError', 'SocketTimeoutDuringMaintenanceError', 'CommandTimeoutDuringMaintenanceError', 'MaxCommandRedirectionsError', 'ScanIteratorInterruptedError'], name => ofClass(name))),
  ...prefix('node-redis', many(['The client is closed', 'The client is offline', 'Socket closed unexpectedly', 'Connection timeout', 'All the root nodes are unavailable'], message => new Error(message))),
  ...prefix('ioredis', many(['MaxRetriesPerRequestError', 'ClusterAllFailedError', 'AbortError'], name => error({ name }))),
  ...prefix('ioredis', many([
    'Connection is closed.', "Stream isn't writeable and enableOfflineQueue options is false", "Cluster isn't ready and enableOfflineQueue options is false", 'Command timed out', "Socket timeout. Expecting data, but didn't receive any in 5ms.",
    'None of startup nodes is available', 'Cluster is disconnected.', 'Node is disconnected', 'All sentinels are unreachable and retry is disabled.', 'connect ETIMEDOUT'
  ], message => new Error(message))),
  ...['LOADING Redis is loading the dataset in memory', 'MASTERDOWN Link with MASTER is down', 'CLUSTERDOWN The cluster is down', 'READONLY You can\'t write against a read only replica.', 'BUSY Redis is busy running a script.', 'TRYAGAIN Multiple keys request during rehashing of slot', 'MISCONF Redis is configured to save RDB snapshots', 'OOM command not allowed when used memory > \'maxmemory\'.', 'NOAUTH Authentication required.', 'WRONGPASS invalid username-password pair', 'NOPERM this user has no permissions', 'NOREPLICAS Not enough good replicas to write.', 'MOVED 1 127.0.0.1:1', 'ERR max number of clients reached'].flatMap(
    (message): Array<[string, unknown]> => [[`ioredis: ${message}`, reply(message)], [`node-redis: ${message}`, ofClass('SimpleError', {}, message)]]),
  // pg 8, pg-pool 3, postgres.js 3
  ...prefix('pg', many(['Connection terminated', 'Connection terminated unexpectedly', 'Connection terminated due to connection timeout', 'timeout expired', 'timeout exceeded when trying to connect', 'Query read timeout', 'Client has encountered a connection error and is not queryable', 'Client was closed and is not queryable', 'Cannot use a pool after calling end on the pool', 'The server does not support SSL connections', 'There was an error establishing an SSL connection', 'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'], message => new Error(message))),
  ...['08006', '08P01', '53300', '53100', '57P01', '57P03', '57014', '58030', '28P01', '28000', '3D000', '40001', '40P01', '25006', '55P03', 'XX000'].flatMap(
    (code): Array<[string, unknown]> => [[`pg: ${code}`, error({ name: 'error', severity: 'FATAL', code })], [`postgres.js: ${code}`, error({ name: 'PostgresError', severity: 'FATAL', code })]]),
  ...prefix('postgres.js', many(['CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT', 'SASL_SIGNATURE_MISMATCH'], code => error({ code }))),
  // mysql2 3, mariadb 3
  ['mysql2: a lost connection', error({ code: 'PROTOCOL_CONNECTION_LOST', fatal: true })],
  ['mysql2: a sequence that takes too long', error({ code: 'PROTOCOL_SEQUENCE_TIMEOUT' })],
  ['mysql2: anything fatal', error({ code: 'SOMETHING', fatal: true })],
  ['mysql2: anything fatal, by number', error({ errno: 2013, fatal: true })],
  ...prefix('mysql2', many(['Pool is closed.', 'No connections available.', 'Queue limit reached.', "Can't write in closed state"], message => new Error(message))),
  ...prefix('MySQL', many([
    'ER_CON_COUNT_ERROR', 'ER_TOO_MANY_USER_CONNECTIONS', 'ER_USER_LIMIT_REACHED', 'ER_SERVER_SHUTDOWN', 'ER_NORMAL_SHUTDOWN', 'ER_ABORTING_CONNECTION', 'ER_NEW_ABORTING_CONNECTION', 'ER_HOST_IS_BLOCKED', 'ER_HOST_NOT_PRIVILEGED',
    'ER_ACCESS_DENIED_ERROR', 'ER_DBACCESS_DENIED_ERROR', 'ER_BAD_DB_ERROR', 'ER_HANDSHAKE_ERROR', 'ER_NET_READ_ERROR', 'ER_NET_WRITE_INTERRUPTED', 'ER_NET_PACKETS_OUT_OF_ORDER', 'ER_OUT_OF_RESOURCES', 'ER_OUTOFMEMORY', 'ER_DISK_FULL',
    'ER_LOCK_WAIT_TIMEOUT', 'ER_LOCK_DEADLOCK', 'ER_QUERY_INTERRUPTED', 'ER_QUERY_TIMEOUT', 'ER_SERVER_OFFLINE_MODE', 'ER_OPTION_PREVENTS_STATEMENT', 'ER_READ_ONLY_MODE', 'ER_CLIENT_INTERACTION_TIMEOUT', 'ER_SESSION_WAS_KILLED', 'ER_SECURE_TRANSPORT_REQUIRED'
  ], code => mysql(code, 1040, 'HY000'))),
  ['MySQL: a state of class 08', mysql('UNKNOWN', 1043, '08S01')],
  ...prefix('MariaDB', many([
    'ER_CONNECTION_ALREADY_CLOSED', 'ER_CMD_NOT_EXECUTED_DESTROYED', 'ER_SOCKET_UNEXPECTED_CLOSE', 'ER_CONNECTION_TIMEOUT', 'ER_CMD_CONNECTION_CLOSED', 'ER_SOCKET', 'ER_SOCKET_TIMEOUT', 'ER_POOL_ALREADY_CLOSED', 'ER_GET_CONNECTION_TIMEOUT',
    'ER_INITIAL_TIMEOUT_ERROR', 'ER_PING_TIMEOUT', 'ER_POOL_NO_CONNECTION', 'ER_CLOSING_POOL', 'ER_TLS_IDENTITY_ERROR', 'ER_SELF_SIGNED', 'ER_PING_BAD_PACKET', 'ER_STATEMENT_TIMEOUT', 'ER_CONNECTION_KILLED', 'ER_NOT_SUPPORTED_AUTH_PLUGIN'
  ], code => error({ name: 'SqlError', code, errno: 45028, sqlState: 'HY000', fatal: false }))),
  // better-sqlite3 12, sqlite3 5, libsql 0.18, node:sqlite
  ...prefix('SQLite', many(['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT', 'SQLITE_LOCKED', 'SQLITE_LOCKED_SHAREDCACHE', 'SQLITE_IOERR_READ', 'SQLITE_FULL', 'SQLITE_CANTOPEN', 'SQLITE_CORRUPT', 'SQLITE_NOMEM', 'SQLITE_READONLY_DBMOVED', 'SQLITE_PROTOCOL', 'SQLITE_NOTADB', 'SQLITE_INTERRUPT', 'HRANA_CLOSED_ERROR', 'HRANA_WEBSOCKET_ERROR', 'SERVER_ERROR', 'CLIENT_CLOSED'], code => error({ code }))),
  ...prefix('node:sqlite', [[5, 'busy'], [517, 'a busy snapshot'], [6, 'locked'], [266, 'reading'], [13, 'full'], [14, 'no file']].map(([errcode, name]): [string, unknown] => [name as string, error({ code: 'ERR_SQLITE_ERROR', errcode })])),
  ...prefix('libsql', many(['ClosedError', 'WebSocketError', 'HttpServerError'], name => error({ name }))),
  // mongodb 7, mongoose 9
  ...prefix('MongoDB', many(['MongoNetworkError', 'MongoNetworkTimeoutError', 'MongoServerSelectionError', 'MongoTopologyClosedError', 'MongoNotConnectedError', 'MongoClientClosedError', 'MongoOperationTimeoutError', 'MongoPoolClearedError', 'MongoWaitQueueTimeoutError', 'MongooseServerSelectionError', 'MongooseError'], name => mongo(name))),
  ...prefix('MongoDB', [6, 7, 18, 50, 89, 91, 112, 189, 262, 10107, 11600, 11602, 13435, 13436].map((code): [string, unknown] => [`code ${code}`, mongo('MongoServerError', code)])),
  ['MongoDB: a write concern', mongo('MongoWriteConcernError', 64)],
  // Prisma 7, Sequelize 6, Knex 3 and tarn, TypeORM 1, Drizzle 0.45, MikroORM
  ...prefix('Prisma', many(['P1000', 'P1001', 'P1008', 'P1017', 'P2024', 'P2028', 'P2034', 'P2037', 'P5010', 'P6004', 'P6008'], code => error({ name: 'PrismaClientKnownRequestError', code }))),
  ...prefix('Prisma', many(['PrismaClientInitializationError', 'PrismaClientRustPanicError', 'PrismaClientUnknownRequestError'], name => error({ name }))),
  ...prefix('Sequelize', many(['SequelizeConnectionError', 'SequelizeConnectionRefusedError', 'SequelizeConnectionTimedOutError', 'SequelizeConnectionAcquireTimeoutError', 'SequelizeHostNotFoundError', 'SequelizeHostNotReachableError', 'SequelizeAccessDeniedError', 'SequelizeInvalidConnectionError', 'SequelizeTimeoutError'], name => error({ name }))),
  ['Sequelize: what the server has said', error({ name: 'SequelizeDatabaseError', original: error({ code: '57P01' }) })],
  ['Knex', error({ name: 'KnexTimeoutError' })],
  ['tarn', ofClass('TimeoutError')],
  ['TypeORM: what the driver has said', error({ name: 'QueryFailedError', driverError: error({ code: 'ECONNRESET' }) })],
  ['TypeORM: not connected', error({ name: 'CannotExecuteNotConnectedError' })],
  ['Drizzle', ofClass('DrizzleQueryError', { cause: error({ code: '53300' }) })],
  ['MikroORM', ofClass('ConnectionException', { previous: error({}) })],
  ['mssql: the driver', error({ name: 'ConnectionError', code: 'ESOCKET', originalError: error({ code: 'ECONNREFUSED' }) })],
  ...prefix('SQL Server', many(['ESOCKET', 'ETIMEOUT', 'ELOGIN', 'EINSTLOOKUP', 'ECONNCLOSED', 'ENOTOPEN'], code => error({ code }))),
  ...prefix('Oracle', many(['NJS-040', 'NJS-500', 'NJS-510', 'ORA-00018', 'ORA-00060', 'ORA-01017', 'ORA-03113', 'ORA-12541', 'DPI-1080'], code => error({ code }))),
  // Cassandra 4, Elasticsearch 9, neo4j 6, NATS 2, KafkaJS 2
  ...prefix('Cassandra', many(['NoHostAvailableError', 'OperationTimedOutError', 'BusyConnectionError'], name => error({ name }))),
  ...prefix('Cassandra', [0x1000, 0x1001, 0x1100, 0x1200].map((code): [string, unknown] => [`code ${code}`, error({ name: 'ResponseError', code })])),
  ...prefix('Elasticsearch', many(['ConnectionError', 'TimeoutError', 'NoLivingConnectionsError', 'RequestAbortedError'], name => error({ name }))),
  ['Elasticsearch: 503', error({ name: 'ResponseError', statusCode: 503 })],
  ...prefix('neo4j', many(['ServiceUnavailable', 'SessionExpired', 'Neo.TransientError.General.DatabaseUnavailable'], code => error({ code }))),
  ...prefix('NATS', many(['CONNECTION_REFUSED', 'CONNECTION_CLOSED', 'DISCONNECT', 'TIMEOUT', '503'], code => error({ name: 'NatsError', code }))),
  ['KafkaJS', error({ name: 'KafkaJSConnectionError' })],
  ['memjs', new Error('socket timed out waiting on response.')],
  // opossum 9, cockatiel 3, p-timeout 7
  ...prefix('opossum', many(['EOPENBREAKER', 'ETIMEDOUT', 'ESEMLOCKED', 'ESHUTDOWN'], code => error({ code }))),
  ...prefix('cockatiel', many(['BrokenCircuitError', 'IsolatedCircuitError', 'BulkheadRejectedError', 'TaskCancelledError'], name => ofClass(name))),
  ['p-timeout', error({ name: 'TimeoutError' })],
  // Errors that were wrapped.
  ...prefix('a cause in', many(['cause', 'original', 'originalError', 'socketError', 'driverError', 'inner', 'previous', 'networkError', 'lastNodeError'], member => error({ [member]: error({ code: 'ECONNREFUSED' }) }))),
  ['all addresses', new AggregateError([error({ code: 'ECONNREFUSED' })])]
]

/** Somebody has answered, or nobody was asked. */
export const answers: Array<[name: string, thrown: unknown]> = [
  ['an error', new Error('x')],
  ['a mistake', new TypeError('x is not a function')],
  ...prefix('gRPC', [[3, 'INVALID_ARGUMENT'], [5, 'NOT_FOUND'], [6, 'ALREADY_EXISTS'], [7, 'PERMISSION_DENIED'], [9, 'FAILED_PRECONDITION'], [11, 'OUT_OF_RANGE'], [16, 'UNAUTHENTICATED']].map(
    ([code, text]): [string, unknown] => [text as string, grpc(code as number, text as string)])),
  ['a number that is none of gRPC', error({ code: 14 })],
  ['Connect: unauthenticated', error({ name: 'ConnectError', code: 16, rawMessage: 'unauthenticated' })],
  ['AWS: not authorized', aws('NotAuthorizedException', 400)],
  ['AWS: no such item', aws('ResourceNotFoundException', 404)],
  ['AWS: a condition', aws('ConditionalCheckFailedException', 400, { $retryable: undefined })],
  ...prefix('Firebase', many(['auth/id-token-expired', 'auth/id-token-revoked', 'auth/argument-error', 'auth/user-disabled', 'auth/user-not-found', 'auth/invalid-id-token', 'auth/session-cookie-expired', 'firestore/not-found', 'firestore/permission-denied'], code => firebase(code))),
  ...prefix('Clerk', many(['token-expired', 'token-invalid', 'token-invalid-signature', 'token-not-active-yet', 'jwk-kid-mismatch', 'token-invalid-authorized-parties'], reason => ofClass('TokenVerificationError', { reason }))),
  ['Clerk: not found', ofClass('ClerkAPIResponseError', { status: 404, errors: [{ code: 'resource_not_found' }] })],
  ['Clerk: a machine token', ofClass('MachineTokenVerificationError', { code: 'token-invalid', status: 404 })],
  ['jwks-rsa: no such key', error({ name: 'SigningKeyNotFoundError' }, "Unable to find a signing key that matches 'x'")],
  ...prefix('jsonwebtoken', many(['error in secret or public key callback: Unable to find a signing key that matches \'x\'', 'error in secret or public key callback: no such key', 'invalid signature', 'jwt malformed'], message => error({ name: 'JsonWebTokenError' }, message))),
  ...prefix('jsonwebtoken', many(['TokenExpiredError', 'NotBeforeError'], name => error({ name }, 'jwt expired'))),
  ...prefix('aws-jwt-verify', many(['JwtExpiredError', 'JwtInvalidSignatureError', 'KidNotFoundInJwksError', 'JwtParseError', 'JwtInvalidIssuerError'], name => ofClass(name))),
  ...prefix('jose', many(['ERR_JWT_EXPIRED', 'ERR_JWS_INVALID', 'ERR_JWKS_NO_MATCHING_KEY', 'ERR_JWT_CLAIM_VALIDATION_FAILED'], code => error({ code }))),
  ...prefix('openid-client', many(['OAUTH_INVALID_RESPONSE', 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED', 'OAUTH_KEY_SELECTION_FAILED', 'OAUTH_WWW_AUTHENTICATE_CHALLENGE', 'OAUTH_PARSE_ERROR'], code => error({ code }))),
  ['openid-client: 401', error({ code: 'OAUTH_RESPONSE_BODY_ERROR', status: 401 })],
  ['Supabase: a bad JWT', error({ name: 'AuthApiError', status: 403, code: 'bad_jwt' })],
  ['axios: 401', error({ name: 'AxiosError', code: 'ERR_BAD_REQUEST', response: { status: 401 } })],
  ['got: 404', error({ name: 'HTTPError', code: 'ERR_NON_2XX_3XX_RESPONSE', response: { statusCode: 404 } })],
  ['ofetch: 401', error({ name: 'FetchError', status: 401, response: { status: 401 } })],
  ['gaxios: 401', error({ name: 'GaxiosError', code: 401, response: { status: 401 } })],
  ['Boom: 401', error({ isBoom: true, output: { statusCode: 401 } })],
  ...prefix('Redis', many(['WRONGTYPE Operation against a key holding the wrong kind of value', 'ERR unknown command', 'ERR value is not an integer or out of range', 'NOSCRIPT No matching script.', 'REVOKED by a script'], reply)),
  ...prefix('node-redis', many(['WRONGTYPE Operation', 'REVOKED by a script'], message => ofClass('SimpleError', {}, message))),
  ['node-redis: a key that has changed', ofClass('WatchError')],
  ...['23505', '23503', '23514', '22P02', '22001', '42P01', '42703', 'P0001', 'P0002', '02000'].flatMap(
    (code): Array<[string, unknown]> => [[`pg: ${code}`, error({ name: 'error', severity: 'ERROR', code })], [`postgres.js: ${code}`, error({ name: 'PostgresError', severity: 'ERROR', code })]]),
  ...prefix('MySQL', many([
    'ER_DUP_ENTRY', 'ER_DUP_ENTRY_WITH_KEY_NAME', 'ER_NO_REFERENCED_ROW_2', 'ER_ROW_IS_REFERENCED_2', 'ER_BAD_NULL_ERROR', 'ER_DATA_TOO_LONG', 'ER_CHECK_CONSTRAINT_VIOLATED', 'ER_SIGNAL_EXCEPTION', 'ER_TRUNCATED_WRONG_VALUE',
    'ER_PARSE_ERROR', 'ER_NO_SUCH_TABLE', 'ER_BAD_FIELD_ERROR', 'ER_WARN_DATA_OUT_OF_RANGE', 'ER_NET_PACKET_TOO_LARGE', 'ER_PARAMETER_UNDEFINED', 'ER_MISSING_PARAMETER'
  ], code => mysql(code, 1062, '23000', { fatal: false }))),
  ...prefix('SQLite', many(['SQLITE_CONSTRAINT', 'SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY', 'SQLITE_CONSTRAINT_FOREIGNKEY', 'SQLITE_ERROR', 'SQLITE_MISMATCH', 'SQLITE_RANGE', 'SQLITE_TOOBIG'], code => error({ code }))),
  ...prefix('node:sqlite', [[19, 'a constraint'], [2067, 'a unique constraint'], [1, 'a bad statement']].map(([errcode, name]): [string, unknown] => [name as string, error({ code: 'ERR_SQLITE_ERROR', errcode })])),
  ...prefix('MongoDB', [11000, 11001, 121, 2].map((code): [string, unknown] => [`code ${code}`, mongo('MongoServerError', code)])),
  ['MongoDB: a key that is there, in bulk', mongo('MongoBulkWriteError', 11000)],
  ['MongoDB: an argument', mongo('MongoInvalidArgumentError')],
  ...prefix('Mongoose', many(['ValidationError', 'CastError', 'DocumentNotFoundError'], name => error({ name }))),
  ...prefix('Prisma', many(['P2002', 'P2003', 'P2025', 'P2000'], code => error({ name: 'PrismaClientKnownRequestError', code }))),
  ...prefix('Prisma', many(['PrismaClientValidationError', 'NotFoundError'], name => error({ name }))),
  ...prefix('Sequelize', many(['SequelizeUniqueConstraintError', 'SequelizeValidationError', 'SequelizeEmptyResultError', 'SequelizeForeignKeyConstraintError'], name => error({ name, original: error({ code: '23505' }) }))),
  ['Sequelize: what the server has said', error({ name: 'SequelizeDatabaseError', original: error({ code: '22P02' }) })],
  ['TypeORM: what the driver has said', error({ name: 'QueryFailedError', code: '23505', driverError: error({ code: '23505' }) })],
  ['TypeORM: no such entity', error({ name: 'EntityNotFoundError' })],
  ['MikroORM', ofClass('UniqueConstraintViolationException', { code: '23505' })],
  ['SQL Server: a constraint', error({ name: 'RequestError', code: 'EREQUEST', number: 2627 })],
  ['Oracle: a constraint', error({ code: 'ORA-00001' })],
  ['Cassandra: a bad query', error({ name: 'ResponseError', code: 0x2000 })],
  ['Elasticsearch: no such document', error({ name: 'ResponseError', statusCode: 404 })],
  ['neo4j: a constraint', error({ code: 'Neo.ClientError.Schema.ConstraintValidationFailed' })],
  ['NATS: a permission', error({ name: 'NatsError', code: 'PERMISSIONS_VIOLATION' })],
  ['fatal alone', error({ fatal: true })],
  ['an object without a prototype', Object.create(null)],
  ...[undefined, null, 'ECONNREFUSED', 42, Symbol('x'), true].map((thrown): [string, unknown] => [String(thrown), thrown])
]
