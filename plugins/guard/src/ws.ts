import * as ws from 'ws'

interface HeaderParsers {
  extension: { parse (header: string): Record<string, object[]> }
  PerMessageDeflate: {
    extensionName: string
    new (options: object): { accept (offers: object[]): object }
  }
  subprotocol: { parse (header: string): Set<string> }
}

/**
 * The parsers that ws itself applies to the upgrade after the hooks: asked first, they give the same verdict while
 * nothing is consumed yet. Its type declarations leave them out.
 */
export const { extension, PerMessageDeflate, subprotocol } = ws as unknown as HeaderParsers
