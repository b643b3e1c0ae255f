export { default } from '@fastify-airlock/handshake'
