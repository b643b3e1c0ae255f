import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defaultClientConditions, defineConfig } from 'vite'

const page = (name: string) => fileURLToPath(new URL(`${name}.html`, import.meta.url))

/** Where `npm run dev` finds a demo that runs. Its Origin check wants the host of the page, so the Host stays as it is. */
const target = process.env.DEMO_URL ?? 'http://127.0.0.1:3000'
const routes = ['/login', '/logout', '/session', '/me', '/external', '/api', '/broadcast', '/admin', '/healthz', '/refusals', '/kiosk/reset', '/ws']

export default defineConfig({
  plugins: [react()],
  // Two copies of React would not know of each other's hooks.
  resolve: { conditions: ['@fastify-airlock/source', ...defaultClientConditions], dedupe: ['react', 'react-dom'] },
  build: {
    target: 'es2023',
    // Nothing inline: the policy of the server forbids it, and data: URLs could not be cached on their own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: [page('index'), page('kiosk'), page('foreign')] }
  },
  server: {
    proxy: Object.fromEntries(routes.map(route => [route, { target, ws: route === '/ws', changeOrigin: false }]))
  }
})
