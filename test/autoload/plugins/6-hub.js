export { default } from '@fastify-airlock/hub'
