import neostandard, { resolveIgnoresFromGitignore } from 'neostandard'
import airlock from './eslint.rules.js'

const PRIVATE = 'Private members of others stand in internals.ts, with the versions they were read in and a way without them.'

export default [
  ...neostandard({ ts: true, ignores: resolveIgnoresFromGitignore() }),
  {
    // A constant object and the type of its values share a name here; TypeScript itself reports real redeclarations.
    files: ['**/*.ts'],
    rules: { '@typescript-eslint/no-redeclare': 'off' }
  },
  {
    plugins: { airlock },
    rules: { 'airlock/no-circle': 'error' }
  },
  {
    files: ['{packages,plugins,apps}/*/src/**'],
    ignores: ['**/internals.ts'],
    rules: {
      'no-restricted-syntax': ['error',
        // `_id` is MongoDB's public name of a key.
        { selector: 'MemberExpression > Identifier.property[name=/^_(?!id$)/]', message: PRIVATE },
        { selector: 'MemberExpression[computed=true] > Literal.property[value=/^_(?!id$)/]', message: PRIVATE },
        { selector: 'ObjectPattern > Property > Identifier.key[name=/^_(?!id$)/]', message: PRIVATE },
        { selector: 'TSPropertySignature > Identifier.key[name=/^_(?!id$)/]', message: PRIVATE },
        { selector: 'MemberExpression > Identifier.property[name="getOwnPropertySymbols"]', message: PRIVATE },
        { selector: 'ImportDeclaration[source.value=/^(ws|fastify|@fastify.[^.]+).(lib|dist)./]', message: PRIVATE }
      ]
    }
  }
]
