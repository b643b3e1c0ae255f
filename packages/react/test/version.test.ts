import './dom.js'
import { version } from 'react'
import { version as domVersion } from 'react-dom'
import { version as serverVersion } from 'react-dom/server'
import t from 'tap'

const major = process.env.REACT ?? '19'

t.test(`the tests are of React ${major}`, async t => {
  for (const found of [version, domVersion, serverVersion]) t.equal(found.split('.')[0], major)
})
