// One node of the demo, which does not outlive the process that has started it.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
if (process.connected !== true) process.exit(1)
await import('../src/server.js')
