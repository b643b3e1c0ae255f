import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './build.js'

/** Packages whose version matters. */
const PACKAGES = [
  'fastify', '@fastify/websocket', '@fastify/jwt', 'fast-jwt', 'ws', 'ioredis', 'express', 'jsonwebtoken', 'socket.io',
  'graphql-ws', 'graphql'
]

function versionOf (name: string): string {
  for (const folder of ['bench/node_modules', 'node_modules']) {
    try {
      return (JSON.parse(readFileSync(join(ROOT, folder, name, 'package.json'), 'utf8')) as { version: string }).version
    } catch {
      // It is in the other folder.
    }
  }
  return 'not installed'
}

/** Name and version of everything. */
export function versions (): Record<string, string> {
  return Object.fromEntries(PACKAGES.map(name => [name, versionOf(name)]))
}

/** What it was measured on, in one line. */
export function machine (): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  return `${cpus().length} cores (${model}), ${Math.round(totalmem() / 1024 ** 3)} GiB, ${type()} ${release().split('.', 2).join('.')}`
}

/** @returns what tells how many percent of all its cores were idle since then */
export function watchMachine (): () => number {
  const read = (): { idle: number, all: number } => {
    const times = cpus().map(({ times }) => times)
    return {
      idle: times.reduce((sum, { idle }) => sum + idle, 0),
      all: times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0)
    }
  }
  const before = read()
  return () => {
    const after = read()
    return 100 * (after.idle - before.idle) / (after.all - before.all)
  }
}

/** How busy it was, ours included. */
export function load (): string {
  return loadavg().map(value => value.toFixed(1)).join(', ')
}
