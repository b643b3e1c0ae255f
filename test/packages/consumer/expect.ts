/** Compiles only where the argument has this type, and no wider one. */
export function expectType<T> (value: T): T {
  return value
}

/** The names of those errors of a package whose `code` is not their own name as a literal. */
export type WideErrors<Package> = {
  [Name in keyof Package & `WSA_${string}`]: Package[Name] extends abstract new (...args: never[]) => { code: infer Code }
    ? [Code] extends [Name] ? never : Name
    : Name
}[keyof Package & `WSA_${string}`]
