/** An application's claims. `PACKAGE` is one that it has installed: each must take them for all of the others. */
export interface Admin {
  role: 'admin' | 'user'
  tenant: number
}

declare module 'PACKAGE' {
  interface WsIdentityTypes { claims: Admin }
}
