/** Runs tests in this process, one file after the other. */
for (const file of process.argv.slice(2)) await import(new URL(`../${file}`, import.meta.url).href)
