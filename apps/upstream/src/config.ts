import envSchema from 'env-schema'
import { InvalidConfig } from './errors.js'

/** The upstream's configuration, read and checked. */
export interface UpstreamConfig {
  host: string
  port: number
  /** The key that every request must have. */
  token: string
  logLevel: string
}

interface Environment {
  HOST: string
  PORT: number
  UPSTREAM_TOKEN: string
  LOG_LEVEL: string
}

/** Every environment variable that the upstream reads, as a JSON schema. */
export const environmentSchema = {
  type: 'object',
  required: ['UPSTREAM_TOKEN'],
  properties: {
    HOST: { type: 'string', default: '127.0.0.1', description: 'Address to listen on' },
    PORT: { type: 'integer', minimum: 0, maximum: 65535, default: 3001, description: 'Port to listen on; 0 takes a free one, and the log says which' },
    UPSTREAM_TOKEN: { type: 'string', minLength: 1, description: 'The key that every request must have as X-Api-Key' },
    LOG_LEVEL: { type: 'string', enum: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], default: 'info', description: 'Least severe level that is logged' }
  }
}

/**
 * Reads the configuration from environment variables. Missing ones get their default; the key has none.
 *
 * @param environment usually `process.env`
 * @throws {@link InvalidConfig} when a variable cannot be used; the message names every such variable and shows no value
 */
export function loadConfig (environment: NodeJS.ProcessEnv): UpstreamConfig {
  try {
    const env = envSchema<Environment>({ schema: environmentSchema, data: environment, env: false })
    return { host: env.HOST, port: env.PORT, token: env.UPSTREAM_TOKEN, logLevel: env.LOG_LEVEL }
  } catch (error) {
    const { errors } = error as { errors: Array<{ instancePath: string, message: string }> }
    throw new InvalidConfig(errors.map(({ instancePath, message }) => `${instancePath.slice(1)} ${message}`.trim()).join(', '))
  }
}
