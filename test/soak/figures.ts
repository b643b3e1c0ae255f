import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Calm } from './calm.js'
import type { Ledger } from './ledger.js'

/** All that a soak has to tell. */
export interface Results {
  ledger: Ledger
  calms: Calm[]
  outages: number
  troubles: Record<string, number>
  vandalism: Record<string, number>
  /** How the connections of vandals ended. */
  ends: Record<string, number>
  logged: Record<string, number>
  /** Growth of the heap of the first node, as a share, and from when on, in milliseconds. */
  heap: number
  from: number
  minutes: number
  servers: string[]
}

const rows = (counts: Record<string, number>): string => Object.entries(counts).map(([name, figure]) => `| ${name} | ${figure.toLocaleString('en-US')} |`).join('\n')
const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)

/** The figures as Markdown. @param write whether they go to docs/soak.md */
export async function writeFigures ({ ledger, calms, troubles, vandalism, ends, heap, from, minutes, servers, logged }: Results, write: boolean): Promise<string> {
  const text = `# The last soak

Written by \`npm run test:soak -- --write\`, which says in [\`test/soak/main.ts\`](../test/soak/main.ts) what it does: three nodes
share a ticket store and a bus, clients of all kinds come and go, and something is killed or paused all the time.

${new Date().toISOString().slice(0, 10)}, ${minutes.toFixed(0)} minutes, Node ${process.version}, ${servers.join(', ')}. ${ledger.violations.length === 0 ? 'Everything was accounted for.' : `**${ledger.violations.length} things were not accounted for.**`}

## Troubles

| what | times |
|---|---|
${rows(troubles)}

## Tickets

| fate | tickets |
|---|---|
| issued | ${ledger.settled.toLocaleString('en-US')} |
| redeemed, once each | ${ledger.fates.redeemed.toLocaleString('en-US')} |
| never presented | ${ledger.fates.unused.toLocaleString('en-US')} |
| presented after their time, and refused | ${ledger.fates.expired.toLocaleString('en-US')} |
| refused for an order to disconnect | ${ledger.fates.revoked.toLocaleString('en-US')} |
| not known: the store, a node or the answer was away | ${ledger.fates.uncertain.toLocaleString('en-US')} |
| lost for no reason | ${ledger.fates.lost.toLocaleString('en-US')} |

## Orders

| what | number |
|---|---|
| given, to disconnect and to take a topic away | ${ledger.orders.given.toLocaleString('en-US')} |
| seen on every connection that they meant | ${ledger.orders.carriedOut.toLocaleString('en-US')} |
| told to a node that was away or gave no answer | ${ledger.orders.unanswered.toLocaleString('en-US')} |
| connections that they closed | ${ledger.orders.closed.toLocaleString('en-US')} |
| topics that they took away | ${ledger.orders.left.toLocaleString('en-US')} |

## Messages

| what | number |
|---|---|
| from a node to a client | ${ledger.messages.received.toLocaleString('en-US')} |
| of those, of the client's own node: none may ever be missing | ${ledger.messages.own.toLocaleString('en-US')} |
| echoes to a client | ${ledger.messages.echoes.toLocaleString('en-US')} |
| missing because bus or node were away | ${ledger.messages.excused.toLocaleString('en-US')} |
| missing before the bus had confirmed a subscription | ${ledger.messages.early.toLocaleString('en-US')} |
| missing for no reason, twice or out of order | 0 or the soak fails |

## Connections

${ledger.connections.opened.toLocaleString('en-US')} got through all doors. How they ended, as their clients saw it:

| close | number |
|---|---|
${rows(ledger.connections.closes)}

| answer to an upgrade | number |
|---|---|
${rows(ledger.connections.statuses)}

## Vandals

| what they did | times |
|---|---|
${rows(vandalism)}

| how those ended who had a ticket | times |
|---|---|
${rows(ends)}

## Memory and descriptors

When everybody had gone home, after garbage collection, by node. The first node lived all along, and its heap grew by
${(heap * 100).toFixed(1)} % from minute ${from / 60_000} on, by the medians of its first and its last third, compiled code not counted; the others were killed again and again. Descriptors are without those of the drivers.

| minute | heap, MiB | compiled code, MiB | outside of the heap, MiB | RSS, MiB | descriptors |
|---|---|---|---|---|---|
${calms.map(({ at, heap, code, external, rss, descriptors }) => `| ${(at / 60_000).toFixed(1)} | ${heap.map(mib).join(', ')} | ${code.map(mib).join(', ')} | ${external.map(mib).join(', ')} | ${rss.map(mib).join(', ')} | ${descriptors.join(', ')} |`).join('\n')}

## What the nodes logged

| level and code | lines |
|---|---|
${rows(logged)}
`
  if (write) await writeFile(resolve(import.meta.dirname, '../../docs/soak.md'), text)
  return text
}
