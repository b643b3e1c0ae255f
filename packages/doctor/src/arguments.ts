import { parseArgs } from 'node:util'
import { UsageError } from './errors.js'

interface Argument {
  name: string
  /** What stands for the value; without it the argument takes none. */
  value?: string
  /** Whether it may be given several times. */
  multiple?: boolean
  text: string
}

/** The arguments of the command, in the order of its help. */
export const ARGUMENTS = [
  { name: 'ticket', value: 'URL', text: 'where a POST issues tickets; a path counts from the URL' },
  { name: 'carrier', value: 'PLACE', text: 'where the credential of the upgrade is: subprotocol (default), query, cookie, header, none' },
  { name: 'carrier-name', value: 'NAME', text: 'name of the parameter or cookie, or prefix in the subprotocol' },
  { name: 'subprotocol', value: 'NAME', text: 'the subprotocol of the route (default: airlock.v1)' },
  { name: 'no-subprotocol', text: 'the route speaks no subprotocol' },
  { name: 'no-first-frame', text: 'the server asks for no JWT in the first frame' },
  { name: 'auth-message', value: 'JSON', text: 'the first frame, with %TOKEN% for the JWT' },
  { name: 'auth-ok', value: 'JSON', text: 'members that the answer to it has' },
  { name: 'refresh-message', value: 'JSON', text: 'the message that renews a JWT, with %TOKEN%' },
  { name: 'refresh-ok', value: 'JSON', text: 'members that the answer to it has' },
  { name: 'no-refresh', text: 'a JWT cannot be renewed' },
  { name: 'echo', value: 'TEXT', text: 'a message of the application whose answer contains %NONCE%' },
  { name: 'dialect', value: 'NAME', text: 'airlock (default), or any: only whether the doors hold' },
  { name: 'origin', value: 'ORIGIN', text: 'an origin that may connect (default: that of the URL)' },
  { name: 'forbidden', value: 'URL', text: 'a WebSocket that the user may not use' },
  { name: 'public-key', value: 'FILE', text: 'the public key of the JWTs, in PEM' },
  { name: 'connect-to', value: 'HOST:PORT', text: 'connect there in place of what the URLs say' },
  { name: 'ca', value: 'FILE', text: 'certificates to trust, in PEM' },
  { name: 'insecure', text: 'send tokens to a server whose certificate cannot be verified' },
  { name: 'rate', value: 'NUMBER', text: 'requests a second at most (default: 20)' },
  { name: 'race', text: 'let 50 clients race for one ticket, on a server that is not on this machine' },
  { name: 'no-race', text: 'do not, on one that is' },
  { name: 'exhaust', text: 'ask for up to 70 tickets at once, until the server says "too many"' },
  { name: 'drain', value: 'MS', text: 'wait so long until you restart the server' },
  { name: 'patience', value: 'MS', text: 'wait so long for what has to happen (default: 10000)' },
  { name: 'auth-timeout', value: 'MS', text: 'the server\'s time limit for the first frame (default: 5000)' },
  { name: 'grace', value: 'MS', text: 'the server\'s grace after the expiry of a JWT (default: 25000)' },
  { name: 'only', value: 'RULE', multiple: true, text: 'look at this rule alone; may be repeated' },
  { name: 'skip', value: 'RULE', multiple: true, text: 'leave this rule out; may be repeated' },
  { name: 'format', value: 'NAME', text: 'terminal (default), tap, json, junit' },
  { name: 'strict', text: 'exit with 1 for what a server should do as well' },
  { name: 'stdin', text: 'read AIRLOCK_TOKEN=… lines, or one JWT, from standard input' },
  { name: 'list', text: 'print the rules, and send nothing' },
  { name: 'version', text: 'print the version' },
  { name: 'help', text: 'print this' }
] as const satisfies readonly Argument[]

/** The name of an argument. */
export type ArgumentName = typeof ARGUMENTS[number]['name']

/** Where tokens come from: never from arguments, which other users of the machine can read, and which the shell keeps. */
export const VARIABLES = {
  AIRLOCK_TOKEN: { option: 'token', text: 'a JWT of a user, with at least five minutes to live' },
  AIRLOCK_TOKEN_2: { option: 'secondToken', text: 'a JWT of a second user' },
  AIRLOCK_TOKEN_EXPIRED: { option: 'expiredToken', text: 'a JWT of the server that has expired' },
  AIRLOCK_TOKEN_SHORT: { option: 'shortToken', text: 'a JWT of the first user that expires within a minute' },
  AIRLOCK_TOKEN_WIDER: { option: 'widerToken', text: 'a JWT of the first user with more rights' },
  AIRLOCK_COOKIE: { option: 'cookie', text: 'a Cookie header that logs the ticket route in, in place of AIRLOCK_TOKEN' }
} as const

/** The command line, taken apart. */
export interface CommandLine {
  url: string | undefined
  values: Partial<Record<ArgumentName, string | boolean | string[]>>
}

const SECRET_ARGUMENT = /^--?(?:token|jwt|bearer|auth|authorization|header|cookie|password|secret|t|H)(?:[-_]?\w*)?(?:=|$)/i
const JWT = /eyJ[\w-]{8,}\.[\w-]+/

/**
 * Takes the command line apart.
 *
 * @throws {@link UsageError} when it is wrong, or contains a token
 */
export function readArguments (args: readonly string[]): CommandLine {
  const known = new Set<string>(ARGUMENTS.map(({ name }) => `--${name}`))
  for (const argument of args) {
    const [name = ''] = argument.split('=')
    if (JWT.test(argument) || (!known.has(name) && SECRET_ARGUMENT.test(argument))) {
      throw new UsageError(`A token is no argument: other users of this machine see it in the list of processes, and the shell keeps it. Set ${Object.keys(VARIABLES).join(', ')} in the environment, or write them to standard input with --stdin`)
    }
  }
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: Object.fromEntries(ARGUMENTS.map((argument: Argument) =>
        [argument.name, { type: argument.value === undefined ? 'boolean' : 'string', multiple: argument.multiple === true }] as const))
    })
    if (positionals.length > 1) throw new UsageError(`One URL, and not ${positionals.length}`)
    return { url: positionals[0], values }
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0] as string}. See --help`)
  }
}

/** The text of `--help`. */
export function help (): string {
  const row = (left: string, right: string): string => `  ${left.padEnd(28)}${right}`
  return [
    'Usage: airlock-doctor [options] <ws: or wss: URL>',
    '',
    'Examines a running server from outside: are the doors locked?',
    '',
    ...ARGUMENTS.map(({ name, text, ...rest }: Argument) => row(`--${name}${rest.value === undefined ? '' : ` ${rest.value}`}`, text)),
    '',
    'Tokens come from the environment, or with --stdin from standard input:',
    ...Object.entries(VARIABLES).map(([name, { text }]) => row(name, text)),
    '',
    'Exit codes:',
    row('0', 'nothing that was looked at is open'),
    row('1', 'something is open'),
    row('2', 'the command line is wrong; nothing was sent'),
    row('3', 'an honest client did not get in, so most was not looked at'),
    ''
  ].join('\n')
}
