/** What the packages of React 18 are installed as. */
export function alias (specifier) {
  return specifier.replace(/^react(-dom)?(?=\/|$)/, 'react$1-18')
}
