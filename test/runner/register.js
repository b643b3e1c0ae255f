/** `node --import register.js file.ts`: runs TypeScript, and so do the processes that inherit this one's arguments. */
import * as module from 'node:module'

if (process.env.AIRLOCK_COVERAGE) await import('./count.js')
// On the main thread where Node can do that, which spares a thread and a message for each import.
if (module.registerHooks === undefined) module.register('./hooks.js', import.meta.url)
else module.registerHooks(await import('./hooks.js'))
