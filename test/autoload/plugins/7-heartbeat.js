export { default } from '@fastify-airlock/heartbeat'
