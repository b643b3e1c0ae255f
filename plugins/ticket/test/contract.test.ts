import t from 'tap'
import { type ContractOptions, type ContractTest, testTicketStore } from '../src/contract.js'
import { MemoryStore, type TicketRecord, type TicketStore } from '../src/index.js'

/** Runs the contract and tells which of its tests fail. */
async function failures (create: (options: ContractOptions) => TicketStore): Promise<string[]> {
  const failed = new Set<string>()
  const runs: Array<Promise<void>> = []
  const tap = (name: string): ContractTest => ({
    test (name, run) {
      const test = tap(name)
      runs.push(run(test).catch(() => { failed.add(name) }))
    },
    equal (found, wanted) { if (found !== wanted) failed.add(name) },
    same (found, wanted) { if (JSON.stringify(found) !== JSON.stringify(wanted)) failed.add(name) },
    teardown () {}
  })
  testTicketStore(tap('all'), { create, bounded: true })
  await Promise.all(runs)
  return [...failed]
}

/** A correct store. Each subclass makes one mistake. */
class Correct implements TicketStore {
  readonly store: MemoryStore
  constructor (options: ContractOptions) { this.store = new MemoryStore(options) }
  put (hash: string, record: TicketRecord, ttl: number): void { this.store.put(hash, record, ttl) }
  take (hash: string, audience: string, now: number): TicketRecord | null | Promise<TicketRecord | null> {
    return this.store.take(hash, audience, now)
  }

  revoke (subject: string, session?: string): number { return this.store.revoke(subject, session) }
  revokeSession (session: string): number { return this.store.revokeSession(session) }
  remove (hash: string): void { this.store.remove(hash) }
  close (): void { this.store.close() }
}

/** What most drivers make of a string. */
const encoded = (text: string): string => Buffer.from(text).toString()

const MISTAKES: Record<string, new (options: ContractOptions) => TicketStore> = {
  'a ticket can be taken once, and comes back as it was put': class extends Correct {
    override put (hash: string, record: TicketRecord, ttl: number): void { super.put(hash, { ...record, claims: '{}' }, ttl) }
  },
  'a ticket expires at the exact millisecond': class extends Correct {
    override take (hash: string, audience: string, now: number) { return super.take(hash, audience, now - 1) }
  },
  'another audience does not get the ticket and does not use it up': class extends Correct {
    override take (hash: string, audience: string, now: number) {
      const record = this.store.take(hash, 'here', now) ?? this.store.take(hash, 'there', now)
      return record?.audience === audience ? record : null
    }
  },
  'a reusable ticket stays until it expires': class extends Correct {
    override put (hash: string, record: TicketRecord, ttl: number): void { super.put(hash, { ...record, reuse: false }, ttl) }
  },
  'a hash can be put once': class extends Correct {
    override put (hash: string, record: TicketRecord, ttl: number): void {
      try {
        super.put(hash, record, ttl)
      } catch (error) {
        if ((error as { code: string }).code !== 'WSA_TICKET_ERR_DUPLICATE') throw error
      }
    }
  },
  'of 200 parallel takes one succeeds': class extends Correct {
    readonly kept = new Map<string, TicketRecord>()
    override put (hash: string, record: TicketRecord, ttl: number): void {
      super.put(hash, record, ttl)
      this.kept.set(hash, record)
    }

    override async take (hash: string, audience: string, now: number) {
      const record = this.kept.get(hash) ?? null
      await Promise.resolve()
      this.kept.delete(hash)
      return await super.take(hash, audience, now) ?? record
    }
  },
  'revocation takes every ticket of a subject, and of no other': class extends Correct {
    override revoke (subject: string): number { return super.revoke(subject) && 1 }
  },
  'a ticket keeps its session and the time of its request': class extends Correct {
    override put (hash: string, { requestedAt, ...record }: TicketRecord, ttl: number): void { super.put(hash, record, ttl) }
  },
  'revocation by session takes the tickets of that session, and those that have none': class extends Correct {
    override revoke (subject: string): number { return super.revoke(subject) }
  },
  'revokeSession() takes the tickets of a session, of every subject': class extends Correct {
    override revokeSession (session: string): number { return super.revoke('alice', session) }
  },
  'remove() takes away one ticket, reusable or not': class extends Correct {
    override remove (hash: string): void { this.store.take(hash, 'here', 0) }
  },
  'a session of any characters is taken for no other': class extends Correct {
    override put (hash: string, record: TicketRecord, ttl: number): void {
      super.put(hash, record.session === undefined ? record : { ...record, session: encoded(record.session) }, ttl)
    }

    override revoke (subject: string, session?: string): number { return super.revoke(subject, session && encoded(session)) }
  },
  'text of any characters comes back as it was put, and is taken for no other': class extends Correct {
    override put (hash: string, record: TicketRecord, ttl: number): void { super.put(hash, { ...record, subject: encoded(record.subject) }, ttl) }
    override revoke (subject: string, session?: string): number { return super.revoke(encoded(subject), session) }
  },
  'a full store refuses and evicts nothing': class extends Correct {
    constructor () { super({}) }
  },
  'a closed store refuses everything, and may be closed again': class extends Correct {
    override close (): void {}
  }
}

t.test('a correct store passes', async t => {
  t.same(await failures(options => new Correct(options)), [])
})

t.test('a store that lacks the methods of later versions passes, but for what it does not keep', async t => {
  class Old extends Correct {
    override revokeSession = undefined as never
    override remove = undefined as never
  }
  t.same(await failures(options => new Old(options)), [])
})

t.test('every test of the contract finds its mistake', async t => {
  for (const [name, Mistaken] of Object.entries(MISTAKES)) {
    const failed = await failures(options => new Mistaken(options))
    t.ok(failed.includes(name), name, { failed })
  }
})
