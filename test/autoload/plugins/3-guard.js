export { default } from '@fastify-airlock/guard'
