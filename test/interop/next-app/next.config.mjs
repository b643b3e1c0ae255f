/** Where Fastify listens, as this server reaches it. Next.js reads it when the application is built. */
const api = process.env.API_URL ?? 'http://127.0.0.1:3001'

/** @type {import('next').NextConfig} */
export default {
  output: 'standalone',
  // Requests and upgrades of one origin: pages from here, the rest from Fastify.
  rewrites: async () => ['/api/:path*', '/ws', '/ws/ticket'].map(source => ({ source, destination: api + source }))
}
