import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { publishable, root, workspaces, type Manifest } from './packages/packages.js'

const REPOSITORY = 'https://github.com/fastify-airlock/airlock'
const DOCUMENT = /\.md$/
/** Folders whose files come from elsewhere or are made. */
const NOT_OURS = /^(node_modules|dist|\..*)$/

t.test('every published package says where it comes from', async t => {
  for (const { name, folder, manifest } of publishable()) {
    t.equal(manifest.homepage, `${REPOSITORY}/tree/main/${folder}#readme`, name)
    t.same(manifest.bugs, { url: `${REPOSITORY}/issues` }, name)
    t.same(manifest.repository, { type: 'git', url: `git+${REPOSITORY}.git`, directory: folder }, name)
    t.same(manifest.publishConfig, { access: 'public', provenance: true }, name)
    t.ok(manifest.description, name)
    t.ok(manifest.keywords?.includes('websocket'), `${name}: keywords`)
    if (folder.startsWith('plugins/')) t.ok(manifest.keywords?.includes('fastify-plugin'), `${name}: fastify-plugin`)
    for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md']) t.ok(existsSync(join(root, folder, file)), `${name}: ${file}`)
    t.match(readFileSync(join(root, folder, 'CHANGELOG.md'), 'utf8'), `# ${name}\n\n## ${manifest.version}\n`, 'the newest version is described')
  }
})

t.test('links lead somewhere', async t => {
  const documents = documentsIn('.')
  t.ok(documents.length > 20)
  const readmes = new Set(publishable().map(({ folder }) => `${folder}/README.md`))
  for (const document of documents) {
    for (const link of linksOf(readFileSync(join(root, document), 'utf8'))) {
      const problem = problemOf(document, link, readmes.has(document))
      if (problem !== null) t.fail(`${document}: ${link}: ${problem}`)
    }
  }
})

t.test('links that lead nowhere are seen', async t => {
  t.equal(problemOf('docs/PROTOCOL.md', 'nowhere.md', false), 'no such file')
  t.equal(problemOf('docs/PROTOCOL.md', '../README.md#no-such-heading', false), 'no such heading')
  t.equal(problemOf('README.md', `${REPOSITORY}/blob/main/nowhere.md`, false), 'no such file')
  t.equal(problemOf('plugins/hub/README.md', '../guard/README.md', true), 'relative, which a page of the registry cannot follow')
  t.equal(problemOf('plugins/hub/README.md', '#topics', true), null)
  t.equal(problemOf('README.md', 'https://example.com/anything', false), null)
})

t.test('no script of npm needs a POSIX shell', async t => {
  const manifests = [readManifest('package.json'), ...workspaces().map(({ manifest }) => manifest)]
  // npm puts the programs of workspaces on the path, with a file for the shell of Windows.
  const programs = new Set(manifests.flatMap(({ bin }) => Object.keys(bin ?? {})))
  for (const { name, scripts } of manifests) {
    for (const [script, command] of Object.entries(scripts ?? {})) {
      const found = posixOnly(command)
      t.ok(found === null || programs.has(found), `${name}: ${script}: ${command}`)
    }
  }
  for (const [command, found] of [
    ['A=1 node x.js', 'A=1'], ['tsc && A_B=x node x.js', 'A_B=x'], ['exec node x.js', 'exec'], ['node x.js; node y.js', ';'],
    ["node -e 'x'", "'"], ['rm -rf dist', 'rm'], ['cp a b', 'cp'], ['node $FILE', '$'], ['node x.js > /dev/null', '/dev/null'], ['node {a,b}.js', '{a,b}'],
    ['node x.js &', '&'], ['./run', './run'], ['node `x`', '`'], ['export A=1', 'export'], ['cat x | node y.js', 'cat']
  ] as const) {
    t.equal(posixOnly(command), found, command)
  }
})

t.test('where the shell has no exec, npm finds one', async t => {
  const [exec = ''] = workspaces().flatMap(({ folder, manifest }) => manifest.bin?.exec === undefined ? [] : [join(root, folder, manifest.bin.exec)])
  const run = (...args: string[]) => spawn(process.execPath, [exec, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ends = run('node', '-e', 'process.stdin.pipe(process.stdout); process.exitCode = Number(process.argv[1])', '7', 'a b')
  ends.stdin.end('through')
  t.equal(await text(ends.stdout), 'through')
  t.same(ends.exitCode ?? (await once(ends, 'exit'))[0], 7)

  const closes = run(process.execPath, '-e', "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000); console.log('up')")
  t.teardown(() => closes.kill('SIGKILL'))
  closes.stdout.once('data', () => closes.kill('SIGTERM'))
  t.same(await once(closes, 'exit'), [0, null], 'a signal is passed on')

  const killed = run(process.execPath, '-e', "process.kill(process.pid, 'SIGKILL')")
  t.same(await once(killed, 'exit'), [1, null])
})

t.test('no block of a README needs a POSIX shell to install', async t => {
  for (const document of documentsIn('.')) {
    const text = readFileSync(join(root, document), 'utf8')
    for (const [command] of text.matchAll(/^npm (i|install|ci|start|test|run) [^#\n]*/gm)) t.notMatch(command, /\{\S*,\S*\}|\$\(|'/, `${document}: ${command}`)
  }
})

/** The first part of a command that a shell of Windows does not know. */
function posixOnly (command: string): string | null {
  const [found] = /(?<![\w-])[A-Z][A-Z0-9_]*=\S+(?= )|(?<=^|&& |\| )(?:exec|export|rm|cp|mv|cat|sh|bash|mkdir|touch|grep|sed|source|true|\.\/\S+)(?=\s|$)|;|'|`|\$|\/dev\/null|\{\S*,\S*\}|(?<!&)&(?!&)/.exec(command) ?? []
  if (found === undefined) return null
  // An argument of a program, as in `run.js --env A=1`.
  return /^[A-Z]/.test(found) && command.includes(`--env ${found}`) ? null : found
}

function documentsIn (folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return NOT_OURS.test(entry.name) && entry.name !== '.github' ? [] : documentsIn(path)
    return DOCUMENT.test(entry.name) ? [path.replaceAll('\\', '/')] : []
  })
}

/** The targets of links and pictures, outside of code. */
function linksOf (markdown: string): string[] {
  const text = markdown.replace(/^```.*?^```$/gms, '').replace(/`[^`\n]*`/g, '')
  return [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)].map(([, link, source]) => link ?? source as string)
}

function problemOf (document: string, link: string, published: boolean): string | null {
  const ours = link.startsWith(`${REPOSITORY}/blob/main/`) || link.startsWith(`${REPOSITORY}/tree/main/`)
  if (!ours && /^[a-z]+:/.test(link)) return null
  const [path = '', fragment] = (ours ? link.slice(`${REPOSITORY}/blob/main/`.length) : link).split('#')
  if (!ours && published && path !== '') return 'relative, which a page of the registry cannot follow'
  const file = ours ? path : path === '' ? document : relative('.', normalize(join(dirname(document), path)))
  if (!existsSync(join(root, file))) return 'no such file'
  if (fragment === undefined || fragment === 'readme' || !DOCUMENT.test(file) || statSync(join(root, file)).isDirectory()) return null
  return headingsOf(readFileSync(join(root, file), 'utf8')).has(fragment) ? null : 'no such heading'
}

/** The anchors that GitHub gives to headings. */
function headingsOf (markdown: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading] of markdown.replace(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm)) {
    const anchor = (heading as string).replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').trim().replace(/\s/g, '-')
    let unique = anchor
    for (let count = 1; anchors.has(unique); count++) unique = `${anchor}-${count}`
    anchors.add(unique)
  }
  return anchors
}

function readManifest (file: string): Manifest {
  return JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest
}
