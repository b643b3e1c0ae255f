export { default } from '@fastify-airlock/ticket'
