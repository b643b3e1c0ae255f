export { default } from '@fastify-airlock/proxy'
