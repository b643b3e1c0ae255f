/** What Fastify's own `register` reads from the options of a plugin, and passes on to the plugin as well. */
export interface FastifyOwnOptions {
  prefix?: unknown
  logLevel?: unknown
  logSerializers?: unknown
}

/**
 * Takes out what belongs to Fastify's `register` and not to the plugin: `prefix`, `logLevel` and `logSerializers`. Fastify
 * passes them on with the plugin's options, and `@fastify/autoload` and `fastify-cli` set them unasked.
 *
 * @param options as a plugin gets them; they stay as they are
 */
export function withoutFastifyOptions<Options extends object> (options: Options): Omit<Options, keyof FastifyOwnOptions> {
  const { prefix, logLevel, logSerializers, ...own } = options as Options & FastifyOwnOptions
  return own
}
