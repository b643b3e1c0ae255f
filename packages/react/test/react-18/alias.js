/** Returns the name under which a package of React 18 is installed. */
export function alias (specifier) {
  return specifier.replace(/^react(-dom)?(?=\/|$)/, 'react$1-18')
}
