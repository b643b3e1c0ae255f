import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/guard'
import fp from 'fastify-plugin'

export default fp(async fastify => { await fastify.register(websocket, websocketOptions()) })
