import { alias } from './alias.js'

export function resolve (specifier, context, next) {
  const mapped = alias(specifier)
  return next(mapped, mapped === specifier ? context : { ...context, parentURL: import.meta.url })
}
