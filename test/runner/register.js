/** `node --import register.js file.ts`: runs TypeScript, and so do the processes that inherit this one's arguments. */
import * as module from 'node:module'
import * as hooks from './hooks.js'

// On the main thread where Node can do that, which spares a thread and a message for each import.
if (module.registerHooks === undefined) module.register('./hooks.js', import.meta.url)
else module.registerHooks(hooks)
