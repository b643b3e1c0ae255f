import { execFile } from 'node:child_process'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const RUN = join(import.meta.dirname, 'runner/run.js')

t.test('a file that tears something down outside of its tests does not end those after it, however long they load', async t => {
  const folder = relative(process.cwd(), t.testdir({
    'first.test.ts': `
      import t from 'tap'
      t.teardown(() => { console.error('torn down') })
      t.test('first', async t => { t.pass() })`,
    'second.test.ts': `
      import t from 'tap'
      await new Promise(resolve => setTimeout(resolve, 100))
      t.test('second', async t => { t.pass() })`
  }))
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [RUN, '--no-coverage', join(folder, 'first.test.ts'), join(folder, 'second.test.ts')])
  t.match(stdout, '{ total: 2, pass: 2, fail: 0, skip: 0, todo: 0 }')
  t.match(stderr, 'torn down', 'at the end')
})
