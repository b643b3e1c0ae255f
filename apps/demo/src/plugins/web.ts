import helmet, { type FastifyHelmetOptions } from '@fastify/helmet'
import staticFiles from '@fastify/static'
import fp from 'fastify-plugin'
import { readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NoPage } from '../errors.js'

/** Folder of the built page. The path is the same from `src/plugins` and from `dist/plugins`. */
const BUILT_PAGE = fileURLToPath(new URL('../../../demo-page/dist/', import.meta.url))

/** The pages by their path. */
const PAGES: Readonly<Record<string, string>> = { '/': 'index.html', '/kiosk': 'kiosk.html', '/foreign': 'foreign.html' }

/** The script of `/foreign`. */
const FOREIGN_SCRIPT = '/foreign.js'

const directives = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", 'data:'],
  // Also covers WebSockets to the same host (CSP 3, section 6.7.2.8).
  connectSrc: ["'self'"],
  fontSrc: ["'self'"],
  frameSrc: ["'self'"],
  formAction: ["'self'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"]
}

/** How long a browser comes back over TLS only, in seconds. */
const A_YEAR = 31_536_000

/** A browser applies it to the name on every port: other servers on localhost would be gone for a year. */
const ON_LOCALHOST = 300

/** Headers that differ for a few paths. */
const CONFINED: Readonly<Record<string, FastifyHelmetOptions>> = {
  // Plays a page of another origin: it may be framed, and always has the origin `null`.
  '/foreign': {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { ...directives, frameAncestors: ["'self'"], sandbox: ['allow-scripts'] }
    },
    xFrameOptions: { action: 'sameorigin' },
    // Chromium cannot apply it to such a page, and logs an error.
    originAgentCluster: false
  },
  // To a page with the origin `null`, its own server is cross-origin.
  [FOREIGN_SCRIPT]: { crossOriginResourcePolicy: { policy: 'cross-origin' } }
}

/** Options of {@link web}. */
export interface WebOptions {
  /**
   * Folder of the built page.
   * @default the demo's own
   */
  folder?: string | undefined
}

/** Serves the page, with headers that restrict it to its own files and its own server. */
export const web = fp<WebOptions>(async (fastify, { folder = BUILT_PAGE }) => {
  await fastify.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives },
    xFrameOptions: { action: 'deny' },
    strictTransportSecurity: false
  })
  // RFC 6797, section 7.2: over TLS alone.
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.protocol === 'https') reply.header('strict-transport-security', `max-age=${request.hostname === 'localhost' ? ON_LOCALHOST : A_YEAR}`)
    done()
  })

  const files = listFiles(folder)
  if (!files.includes('index.html')) {
    fastify.log.warn('the page is not built: npm run build')
    for (const path of Object.keys(PAGES)) fastify.get(path, async () => { throw new NoPage() })
    return
  }
  await fastify.register(staticFiles, { root: folder, serve: false, cacheControl: false })
  // A route for each file: with a wildcard, every unknown path would be a route, and an upgrade to it would get a 101.
  for (const file of files) {
    const path = Object.keys(PAGES).find(path => PAGES[path] === file) ?? `/${file}`
    // Vite puts a hash of the content into the names of these files.
    const caching = file.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache'
    fastify.get(path, { helmet: CONFINED[path] ?? {} }, (_request, reply) =>
      reply.header('cache-control', caching).sendFile(file))
  }
}, { name: 'demo-web' })

/** Paths of all files in a folder; none if the folder does not exist. */
function listFiles (folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(({ parentPath, name }) => relative(folder, join(parentPath, name)).split(sep).join('/'))
  } catch {
    return []
  }
}
