import envSchema from 'env-schema'
import { type Client, demoClient } from './client.js'
import { InvalidConfig } from './errors.js'

/** The authority's configuration, read and checked. */
export interface AuthorityConfig {
  host: string
  port: number
  client: Client
  /** Lifetime of a token in seconds. */
  tokenTtl: number
  logLevel: string
}

interface Environment {
  HOST: string
  PORT: number
  INTROSPECTION_CLIENT_ID: string
  INTROSPECTION_CLIENT_SECRET: string
  TOKEN_TTL_SECONDS: number
  LOG_LEVEL: string
}

/** Every environment variable that the authority reads, as a JSON schema. */
export const environmentSchema = {
  type: 'object',
  properties: {
    HOST: { type: 'string', default: '127.0.0.1', description: 'Address to listen on' },
    PORT: { type: 'integer', minimum: 0, maximum: 65535, default: 3001, description: 'Port to listen on; 0 takes a free one, and the log says which' },
    INTROSPECTION_CLIENT_ID: { type: 'string', minLength: 1, default: demoClient.id, description: 'Id of the client that may ask about tokens' },
    INTROSPECTION_CLIENT_SECRET: { type: 'string', minLength: 1, default: demoClient.secret, description: 'Secret of that client' },
    TOKEN_TTL_SECONDS: { type: 'integer', minimum: 1, maximum: 86_400, default: 900, description: 'Lifetime of a token in seconds' },
    LOG_LEVEL: { type: 'string', enum: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], default: 'info', description: 'Least severe level that is logged' }
  }
}

/**
 * Reads the configuration from environment variables. Missing ones get their default.
 *
 * @param environment usually `process.env`
 * @throws {@link InvalidConfig} when a variable cannot be used; the message names every such variable and shows no value
 */
export function loadConfig (environment: NodeJS.ProcessEnv): AuthorityConfig {
  const env = readEnvironment(environment)
  return {
    host: env.HOST,
    port: env.PORT,
    client: { id: env.INTROSPECTION_CLIENT_ID, secret: env.INTROSPECTION_CLIENT_SECRET },
    tokenTtl: env.TOKEN_TTL_SECONDS,
    logLevel: env.LOG_LEVEL
  }
}

function readEnvironment (environment: NodeJS.ProcessEnv): Environment {
  try {
    return envSchema<Environment>({ schema: environmentSchema, data: environment, env: false })
  } catch (error) {
    const { errors } = error as { errors: Array<{ instancePath: string, message: string }> }
    throw new InvalidConfig(errors.map(({ instancePath, message }) => `${instancePath.slice(1)} ${message}`).join(', '))
  }
}
