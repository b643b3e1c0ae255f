import react from '@vitejs/plugin-react'
import { defaultClientConditions, defineConfig } from 'vite'

export default defineConfig({
  root: 'page',
  plugins: [react()],
  // The sources of the packages, which only this repository needs, and one React for all of them.
  resolve: { conditions: ['@fastify-airlock/source', ...defaultClientConditions], dedupe: ['react', 'react-dom'] },
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2023',
    // Nothing inline: the server's policy forbids it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false }
  }
})
