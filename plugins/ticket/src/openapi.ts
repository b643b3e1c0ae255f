/** What `@fastify/swagger` passes to the transform of a route. */
interface Described {
  schema: { description?: unknown }
  url: string
  /** Missing in a document of Swagger 2.0. */
  openapiObject?: { paths?: Record<string, Operations> }
}

interface Operations {
  post?: { description?: unknown, requestBody?: { required?: boolean } }
}

/**
 * Describes the route with its own JSON schema, in place of the transform of the whole document: that of
 * `fastify-type-provider-zod` throws for a schema which is not zod's. And says that the body is optional:
 * `@fastify/swagger` says of every body that it is required, and asks nobody.
 */
export function describe ({ schema, url, openapiObject }: Described): Pick<Described, 'schema' | 'url'> {
  const paths = openapiObject?.paths
  if (openapiObject === undefined || paths === undefined) return { schema, url }
  // The next path that is set is this route's, unless the document leaves the route out.
  openapiObject.paths = new Proxy(paths, {
    set (target, path, operations: Operations) {
      openapiObject.paths = target
      const { post } = operations
      if (post?.requestBody !== undefined && post.description === schema.description) post.requestBody.required = false
      return Reflect.set(target, path, operations)
    }
  })
  return { schema, url }
}
