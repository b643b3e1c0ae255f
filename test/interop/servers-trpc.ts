import { guardScope, identityOf } from '@fastify-airlock/guard'
import { initTRPC, TRPCError } from '@trpc/server'
import { type CreateFastifyContextOptions, fastifyTRPCPlugin, type FastifyTRPCPluginOptions } from '@trpc/server/adapters/fastify'
import type { FastifyInstance } from 'fastify'

/** The same for HTTP and for WebSockets: tRPC gives Fastify's request for one, and Node's for the other. */
const createContext = ({ req }: CreateFastifyContextOptions) => ({ identity: identityOf(req) })

const t = initTRPC.context<typeof createContext>().create()

/** A procedure for those who are signed in. */
const signedIn = t.procedure.use(({ ctx: { identity }, next }) => {
  if (identity === null) throw new TRPCError({ code: 'UNAUTHORIZED' })
  return next({ ctx: { identity } })
})

const router = t.router({
  me: signedIn.query(({ ctx }) => ctx.identity.subject),
  ticks: signedIn.subscription(async function * ({ ctx, signal }) {
    for (let n = 0; signal?.aborted === false; n++) {
      yield `${ctx.identity.subject} ${n}`
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  })
})

export type Router = typeof router

export async function trpcRoutes (scope: FastifyInstance): Promise<void> {
  // Before tRPC declares its routes. Plain HTTP requests pass.
  guardScope(scope)
  await scope.register(fastifyTRPCPlugin, {
    prefix: '/trpc', useWSS: true, trpcOptions: { router, createContext }
  } satisfies FastifyTRPCPluginOptions<Router>)
}
