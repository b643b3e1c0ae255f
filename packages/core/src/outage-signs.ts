/*
 * What errors of libraries look like that mean that somebody could not be asked: a connection that is not there or has been
 * cut, a login of ours that was refused, a server that is starting, stopping, full or overloaded, a transaction that was given up.
 * What a database says of a statement, such as a key that is there already, is an answer.
 */

/** Codes. */
export const CODES = [
  // Node and c-ares.
  /^E(?:CONN|PIPE$|PROTO$|NOTFOUND$|NOTCONN$|TIME(?:DOUT|OUT)$|AI_|HOST|NET|ADDR|MFILE$|NFILE$|NOBUFS$|SERVFAIL$|REFUSED$|BADRESP$|CANCELLED$|DESTRUCTION$)/,
  /^ERR_(?:SOCKET_|TLS_|SSL_|HTTP2_|NETWORK$|BAD_RESPONSE$|CANCELED$|ABORTED$|IPC_|STREAM_(?:PREMATURE_CLOSE|DESTROYED|WRITE_AFTER_END|ALREADY_FINISHED)$)/,
  /^(?:UND_ERR_|HPE_|ABORT_ERR$|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH$)/,
  // Bun.
  /^(?:Connection(?:Refused|Closed|Reset)|FailedToOpenSocket)$/,
  // HTTP clients: got, axios, Azure, openid-client.
  /^ERR_(?:GOT_REQUEST_ERROR|READING_RESPONSE_STREAM|CACHE_ACCESS|BODY_PARSE_FAILURE|(?:FR_)?TOO_MANY_REDIRECTS)$/, /^REQUEST_SEND_ERROR$/,
  /^OAUTH_(?:TIMEOUT|ABORT|RESPONSE_IS_NOT_(?:JSON|CONFORM))$/,
  // Key look-ups: fast-jwt, jose, get-jwks; Clerk; Firebase.
  /^FAST_JWT_KEY_FETCHING_ERROR$/, /^ERR_JWKS_(?:TIMEOUT|INVALID)$/, /^ERR_JOSE_GENERIC$/,
  /^(?:JWKS_REQUEST_FAILED|OPENID_CONFIGURATION_REQUEST_FAILED|NO_JWKS|NO_JWKS_URI)$/,
  /^unexpected[-_]error$/, /^secret-key-invalid$/,
  /^app\/(?:network-|unable-to-parse-response|invalid-credential|internal-error)/, /^[a-z-]+\/(?:internal-error|network-request-failed|server-unavailable|unavailable|deadline-exceeded|resource-exhausted|(?:project-)?quota-exceeded|too-many-requests)$/,
  /^key-fetch-error$/,
  // Breakers: opossum.
  /^E(?:OPENBREAKER|SEMLOCKED|SHUTDOWN)$/,
  // PostgreSQL, appendix A; postgres.js.
  /^(?:(?:08|53|57|58)[\dA-Z]{3}|25006|28(?:000|P01)|3D000|40(?:000|001|003|P01)|55(?:006|P03)|XX00[012])$/,
  /^(?:CONNECTION_(?:CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT|SASL_SIGNATURE_MISMATCH)$/,
  // MySQL and MariaDB: the servers, and what mysql2 and mariadb add.
  /^(?:PROTOCOL_|HANDSHAKE_|POOL_|AUTH_SWITCH_PLUGIN_ERROR$)/,
  /^ER_(?:\w*(?:SHUTDOWN|ABORTING_CONNECTION|OUT_OF_(?:RESOURCES|MEMORY|SORTMEMORY)|OUTOFMEMORY|DISK_FULL|DISK_SPACE)\w*|NET_(?!PACKET_TOO|OK_PACKET)\w+)$/,
  /^ER_(?:CON_COUNT_ERROR|TOO_MANY_(?:USER_CONNECTIONS|CONCURRENT_TRXS)|USER_LIMIT_REACHED|RECORD_FILE_FULL|FORCING_CLOSE|HOST_(?:IS_BLOCKED|NOT_PRIVILEGED)|BAD_(?:HOST|DB)_ERROR|HANDSHAKE_ERROR|CANT_CREATE_THREAD)$/,
  /^ER_(?:(?:DB)?ACCESS_DENIED_(?:NO_PASSWORD_)?ERROR|ACCOUNT_HAS_BEEN_LOCKED|MUST_CHANGE_PASSWORD(?:_LOGIN)?|SECURE_TRANSPORT_REQUIRED|SERVER_(?:OFFLINE_MODE|ISNT_AVAILABLE)|SESSION_WAS_KILLED|CONNECTION_KILLED)$/,
  /^ER_(?:LOCK_(?:WAIT_TIMEOUT|DEADLOCK|ABORTED|NOWAIT|TABLE_FULL)|QUERY_(?:INTERRUPTED|TIMEOUT)|STATEMENT_TIMEOUT|CLIENT_INTERACTION_TIMEOUT|OPTION_PREVENTS_STATEMENT|(?:\w+_)?READ_ONLY(?:_MODE|_TRANSACTION)?|OPEN_AS_READONLY|CRASHED_ON_\w+|NOT_KEYFILE|GET_ERRNO|ERROR_ON_(?:READ|WRITE|CLOSE)|IO_(?:READ|WRITE)_ERROR)$/,
  /^ER_(?:CONNECTION_(?:ALREADY_CLOSED|TIMEOUT)|CMD_(?:NOT_EXECUTED_DESTROYED|CONNECTION_CLOSED)|SOCKET\w*|UNEXPECTED_PACKET|EOF_EXPECTED|\w+_BAD_PACKET|SERVER_SSL_DISABLED|\w*AUTH\w*PLUGIN\w*|POOL_\w+|CLOSING_POOL|ADD_CONNECTION_CLOSED_POOL)$/,
  /^ER_(?:GET_CONNECTION_TIMEOUT|SETTING_SESSION_ERROR|INITIAL_(?:SQL|TIMEOUT)_ERROR|PING_TIMEOUT|CANNOT_RETRIEVE_RSA_KEY|SELF_SIGNED\w*|TLS_IDENTITY_ERROR|CLEAR_PASSWORD_WITHOUT_SSL)$/,
  // SQLite: sqlite3, better-sqlite3, Bun; libsql.
  /^SQLITE_(?:ABORT|AUTH|BUSY|CANTOPEN|CORRUPT|FULL|INTERNAL|INTERRUPT|IOERR|LOCKED|NOLFS|NOMEM|NOTADB|PERM|PROTOCOL|READONLY|SCHEMA)(?:_|$)/,
  /^(?:HRANA_|SERVER_ERROR$|CLIENT_CLOSED$)/,
  // Prisma; SQL Server: tedious, mssql; Oracle.
  /^P(?:1\d{3}|20(?:24|28|34|37)|[56]\d{3})$/, /^E(?:SOCKET|LOGIN|INSTLOOKUP|NOTOPEN|NOCONN|CLOSE|FEDAUTH|ENCRYPT)$/,
  /^(?:NJS-(?:003|040|047|064|065|076|5\d\d)|DPI-10(?:10|80)|ORA-(?:000(?:18|20|28|60)|0(?:1012|1017|103[34]|1089|109[02]|311[34]|313[56])|12\d{3}|28000))$/,
  // neo4j; NATS.
  /^(?:ServiceUnavailable|SessionExpired)$/, /^Neo\.(?:TransientError|DatabaseError)\./,
  /^(?:CONNECTION_(?:DRAINING|REFUSED|TIMEOUT)|DISCONNECT|TIMEOUT|503)$/
]

/** Names of errors, or of their classes. */
export const NAMES = [
  // An AbortSignal, HTTP clients, pools, breakers (cockatiel), Deno.
  /^(?:Abort|Timeout|Connection|RequestAborted|NoLivingConnections|ResourceRequest|BrokenCircuit|IsolatedCircuit|HydratingCircuit|BulkheadRejected|TaskCancelled)Error$/,
  /^(?:Read|Upload|Cache|Retry|MaxRedirects|Canceled|Cancel)Error$/, /^\w*Timeout(?:During\w+|Out)?Error$/,
  /^(?:ConnectionRefused|ConnectionReset|ConnectionAborted|NotConnected|TimedOut|BrokenPipe|AddrNotAvailable|UnexpectedEof)$/,
  // Key look-ups: jwks-rsa, aws-jwt-verify.
  /^Jwks(?:RateLimit|NotAvailableInCache|Validation)?Error$/, /^WaitPeriodNotYetEndedJwkError$/,
  // AWS.
  /^(?:\w*Throttl(?:ing|ed)\w*|(?:Credentials|Token)?ProviderError|TooManyRequests(?:Exception)?|ProvisionedThroughputExceeded(?:Exception)?|RequestLimitExceeded|SlowDown|BandwidthLimitExceeded|PriorRequestNotComplete|RequestTimeout(?:Exception)?|ServiceUnavailable\w*|Internal(?:Server\w*|Failure|Error(?:Exception)?)|TransactionInProgressException)$/,
  // Redis: ioredis, node-redis.
  /^(?:MaxRetriesPerRequest|ClusterAllFailed|ClientClosed|ClientOffline|DisconnectsClient|SocketClosedUnexpectedly|RootNodesUnavailable|ReconnectStrategy|MaxCommandRedirections|ScanIteratorInterrupted)Error$/,
  // MongoDB, and what has been put on top of it. What it says of an argument is an answer.
  /^Mongo(?!(?:InvalidArgument|Server|BulkWrite|WriteConcern)Error)\w*Error$/, /^Mongoose\w*Error$/,
  // Others of these are answers: no such record, not unique.
  /^Knex\w*Error$/, /^Prisma\w*(?:Initialization|RustPanic|UnknownRequest)Error$/,
  /^Sequelize(?:Connection\w*|Host\w*|AccessDenied|InvalidConnection|Timeout)?Error$/, /^(?:Connection|Deadlock|LockWaitTimeout)Exception$/,
  /^(?:CannotExecuteNotConnected|CannotGetEntityManagerNotConnected|ConnectionIsNotSet)Error$/,
  // Cassandra; NATS; Kafka; libsql.
  /^(?:NoHostAvailable|OperationTimedOut|BusyConnection|NoResponders|ClosedConnection|DrainingConnection)Error$/,
  /^KafkaJS(?:Connection|RequestTimeout|NumberOfRetries|BrokerNotFound)\w*$/, /^(?:Closed|WebSocket|HttpServer)Error$/
]

/** Names that HTTP clients give to what a server has answered as well. */
export const HTTP_NAMES = /^\w*FetchError$/

/** Messages of errors without code and name. */
export const MESSAGES = [
  // What passes on the message of an error of the system, and nothing else of it.
  /\b(?:ECONN(?:REFUSED|RESET|ABORTED)|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPIPE)\b/,
  // `fetch`, everywhere.
  /^(?:fetch failed|terminated|Failed to fetch\b.*|Load failed|Network request failed|NetworkError when .*|error sending request .*|socket hang up|Unable to connect\. Is the computer .*)$/,
  // pg.
  /^Connection terminated\b/, /^timeout expired$/, /^timeout exceeded when trying to connect$/, /^Query read timeout$/, /\bnot queryable$/,
  /^Cannot use a pool after calling end on the pool$/, /^(?:The server does not support SSL connections|There was an error establishing an SSL connection)$/, /^SASL: /,
  // ioredis, and node-redis where its classes have lost their names.
  /^Connection is (?:closed\.|discarded|aborted)/, /^(?:Stream|Cluster) isn't \w+ and enableOfflineQueue/, /^Command timed out$/, /^Socket timeout\b/, /^All sentinels are unreachable/,
  /^(?:None of startup nodes is available|Cluster is (?:disconnect(?:ed|ing)|ended)\.|Node is disconnected|No master node is available\b.*|Too many Cluster redirections\b.*)$/,
  /^(?:The client is (?:closed|offline)|Socket closed unexpectedly|Connection timeout|Disconnects client|All the root nodes are unavailable)$/,
  // mysql2, memjs.
  /^(?:Pool is closed\.|No connections available\.|Queue limit reached\.|Can't write in closed state|socket timed out \w+ .*)$/,
  // Firebase; jsonwebtoken, which keeps but the message of what has looked for a key.
  /^Error fetching (?:public keys|Json Web Keys)\b/,
  /^error in secret or public key callback: (?:.*(?:timed? ?out|fetch failed|socket hang up)|Http Error|Too many requests|The JWKS endpoint did not|(?:Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)$)/i
]

/** What Clerk names as the reason of a token that was not verified, and MSAL as the code. */
export const REASONS = /^(?:jwk-(?:remote|local|failed)-|secret-key-invalid$|(?:network|endpoints_resolution|openid_config)_error$|no_network_connectivity$|(?:get|post)_request_failed$|request_timeout$)/

/** Codes of gRPC, in an error that says `details` as well: not those that are an answer. */
export const GRPC: readonly unknown[] = [1, 2, 4, 8, 10, 12, 13, 14, 15]

/** Names of errors of MongoDB's server, which say by their code what has happened. */
export const MONGO_SERVER = /^Mongo(?:Server|BulkWrite|WriteConcern)Error$/

/** Codes of MongoDB's server that speak of what it was asked: bad values, documents that are not valid, keys that are there. */
export const MONGO_ANSWERS: readonly unknown[] = [2, 9, 14, 121, 11000, 11001, 12582]

/** Codes of Cassandra's protocol: unavailable, overloaded, starting, timeouts and failures of its nodes. */
export const CASSANDRA: readonly unknown[] = [0x1000, 0x1001, 0x1002, 0x1100, 0x1200, 0x1300, 0x1500]

/** Codes of SQLite as numbers: internal, perm, abort, busy, locked, nomem, readonly, interrupt, ioerr, corrupt, full, cantopen, protocol, schema, nolfs, auth, notadb. */
export const SQLITE: readonly unknown[] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 17, 22, 23, 26]

/** Names of what a Redis server answers in place of a result, and the first words of it that mean "not now" or "not you". */
export const REDIS_REPLY = /^(?:Reply|Simple|Blob)Error$|^ErrorReply$/
export const REDIS_AWAY = /^(?:LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|READONLY|TRYAGAIN|MISCONF|OOM|NOAUTH|WRONGPASS|NOPERM|NOREPLICAS|UNKILLABLE|MOVED|ASK|NOMASTERLINK|INPROG|DENIED|FAILOVER|IOERR|NOQUORUM)\b|^ERR (?:max number of clients|invalid password|AUTH |Client sent AUTH|operation not permitted)|\bupstream\b/
