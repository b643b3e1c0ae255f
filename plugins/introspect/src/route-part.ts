import type { RoutePart } from '@fastify-airlock/core'
import { WSA_INTROSPECT_ERR_OPTION } from './errors.js'

const fail: RoutePart['fail'] = (_mistake, detail) =>
  new WSA_INTROSPECT_ERR_OPTION(`give app.wsIntrospect.authenticate, or app.wsGuard({ authenticate: app.wsIntrospect.authenticator() }): ${detail}`)

/** What `wsIntrospect.authenticate` is to a route. */
export const CHECK: RoutePart = { name: 'app.wsIntrospect.authenticate', role: 'check', authenticates: true, fail }

/** What `wsIntrospect.authenticator` is to a route: nothing, it is for the guard. */
export const MAKER: RoutePart = { name: 'app.wsIntrospect.authenticator', role: 'maker', authenticates: false, fail }
