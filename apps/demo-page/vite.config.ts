import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defaultClientConditions, defineConfig } from 'vite'

const page = (name: string) => fileURLToPath(new URL(`${name}.html`, import.meta.url))

/** The running demo that `npm run dev` uses. The proxy keeps the Host, since the demo compares it with the Origin. */
const target = process.env.DEMO_URL ?? 'http://127.0.0.1:3000'
const routes = ['/login', '/logout', '/session', '/sessions', '/nodes', '/me', '/external', '/api', '/broadcast', '/admin', '/healthz', '/refusals', '/kiosk/reset', '/ws']

export default defineConfig({
  plugins: [react()],
  // Hooks do not work with two copies of React.
  resolve: { conditions: ['@fastify-airlock/source', ...defaultClientConditions], dedupe: ['react', 'react-dom'] },
  build: {
    target: 'es2023',
    // Nothing inline: the server's policy forbids it, and data: URLs cannot be cached separately.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: [page('index'), page('kiosk'), page('foreign')] }
  },
  server: {
    proxy: Object.fromEntries(routes.map(route => [route, { target, ws: route === '/ws', changeOrigin: false }]))
  }
})
