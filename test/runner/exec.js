#!/usr/bin/env node
/**
 * What `exec` is to a POSIX shell, for those that have none, such as that of Windows: runs a program with the input, the
 * output and the exit code of this one. Scripts of npm find it, since it is a program of a workspace. A POSIX shell takes its
 * own: with a shell in between, a SIGTERM that npm gets would end the shell, and leave the program running.
 */
import { spawn } from 'node:child_process'

const [program, ...args] = process.argv.slice(2)
const child = spawn(program === 'node' ? process.execPath : program, args, { stdio: 'inherit' })
// A console tells all of its programs of Ctrl+C: the child says when it has ended.
process.on('SIGINT', () => {})
process.on('SIGTERM', signal => child.kill(signal))
child.on('exit', code => { process.exitCode = code ?? 1 })
