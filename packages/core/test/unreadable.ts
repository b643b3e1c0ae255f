const fail = (): never => { throw new Error('unreadable') }

/** What a hook may throw that can neither be logged nor answered with as it is. */
export const unreadable: Record<string, () => unknown> = {
  ...Object.fromEntries(['message', 'name', 'stack', 'code', 'statusCode', 'status', 'headers', 'cause', 'errors', 'validation', 'toJSON', 'other'].flatMap(member => [true, false].map(enumerable =>
    [`a getter for ${member} that throws${enumerable ? ', and is seen' : ''}`, () => Object.defineProperty(new Error('x'), member, { get: fail, enumerable })] as const))
    .filter(([name]) => name !== 'a getter for other that throws')),
  'a frozen error': () => Object.freeze(new Error('x')),
  'a sealed error': () => Object.seal(new Error('x')),
  'an error that takes no members': () => Object.preventExtensions(new Error('x')),
  'a frozen error with a status': () => Object.freeze(Object.assign(new Error('x'), { statusCode: 401 })),
  'a frozen error in another': () => Object.assign(new Error('x'), { original: Object.freeze(new Error('y')) }),
  'a frozen cause that cannot be read': () => new Error('x', { cause: Object.freeze(Object.defineProperty(new Error('y'), 'message', { get: fail })) }),
  'a cause that cannot be read': () => new Error('x', { cause: Object.defineProperty(new Error('y'), 'stack', { get: fail }) }),
  'one of several that cannot be read': () => new AggregateError([Object.freeze(new Error('y'))], 'x'),
  'headers that cannot be read': () => Object.assign(new Error('x'), { headers: Object.defineProperty({}, 'retry-after', { get: fail, enumerable: true }) }),
  'headers like a frozen error': () => Object.assign(new Error('x'), { headers: Object.freeze({ message: 'x' }) }),
  'a frozen object like an error': () => Object.freeze({ message: 'x' }),
  'a proxy that gives nothing': () => new Proxy(new Error('x'), { get: fail }),
  'a proxy that has no members': () => new Proxy(new Error('x'), { ownKeys: fail }),
  'a proxy that says nothing of its members': () => new Proxy(new Error('x'), { getOwnPropertyDescriptor: fail, get: fail }),
  'a proxy without a class': () => new Proxy(new Error('x'), { getPrototypeOf: fail, get: fail }),
  'a proxy that was revoked': () => {
    const { proxy, revoke } = Proxy.revocable(new Error('x'), {})
    revoke()
    return proxy
  }
}
