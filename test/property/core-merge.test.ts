/**
 * The merge laws: whatever the order, the repetition and the grouping in which members hear of each other, they end with
 * one table.
 */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { msgpack } from '../../src/codec/msgpack.js';
import type { Core } from '../../src/core/core.js';
import { outranks, toRecord } from '../../src/core/row.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import type { MemberRecord, MemberState, NativePacket, News } from '../../src/wire/packet.js';
import { Wire } from '../../src/wire/wire.js';
import { tries } from '../effort.js';
import { hlcAt, idOf, oneCore } from '../unit/one-core.js';

const STATES: readonly MemberState[] = ['alive', 'suspect', 'leaving', 'dead'];
const wire = new Wire(
  { codec: msgpack(), compressBytesMin: 256, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS },
  undefined,
);

const opinion = fc.record({ incarnation: fc.bigInt({ min: 0n, max: 5n }), state: fc.constantFrom(...STATES) });
type Opinion = { incarnation: bigint; state: MemberState };
const merge = (a: Opinion, b: Opinion) => (outranks(b.incarnation, b.state, a.incarnation, a.state) ? b : a);

test('(incarnation, state) merges commutatively, associatively and idempotently', () => {
  fc.assert(
    fc.property(opinion, opinion, opinion, (a, b, c) => {
      expect(merge(a, b)).toEqual(merge(b, a));
      expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)));
      expect(merge(a, a)).toEqual(a);
      // Any two are in order, one way only.
      const equal = a.incarnation === b.incarnation && a.state === b.state;
      const [over, under] = [merge(a, b) === a && !equal, merge(b, a) === b && !equal];
      expect([over, under].filter(Boolean).length).toBe(equal ? 0 : 1);
    }),
    { numRuns: tries(2000) },
  );
});

test('of the same incarnation suspect beats alive, leaving beats suspect, dead beats all; a newer one beats any', () => {
  for (const [i, a] of STATES.entries()) {
    for (const [j, b] of STATES.entries()) {
      expect(outranks(1n, a, 1n, b)).toBe(i > j);
      expect(outranks(2n, a, 1n, b)).toBe(true);
      expect(outranks(1n, a, 2n, b)).toBe(false);
    }
  }
});

/** What a member says of itself is decided by its version: two records of one version are the same. */
function record(
  member: number,
  version: number,
  incarnation: number,
  state: MemberState,
  whole: boolean,
): MemberRecord {
  const metadata = { version };
  return {
    id: idOf(member),
    incarnation: hlcAt(incarnation),
    state,
    dialect: 'native',
    bilingual: version % 2 === 0,
    version: hlcAt(version),
    address: `m${member}.${version}`,
    tags: [`v${version}`],
    protocolVersion: 1,
    applicationVersion: String(version),
    metadataBytes: msgpack().encode(metadata).length,
    ...(whole && { metadata }),
  };
}

const MEMBERS = [2, 3, 4];
/** Of the accusers only one is told, and about it nobody says anything: whoever is not alive is not believed about others. */
const ACCUSER = 1;
const news: fc.Arbitrary<Exclude<News, { kind: 'change' }>> = fc
  .record({
    kind: fc.constantFrom('record' as const, 'state' as const),
    member: fc.constantFrom(...MEMBERS),
    version: fc.nat(4),
    incarnation: fc.nat(4),
    state: fc.constantFrom(...STATES),
    whole: fc.boolean(),
    own: fc.boolean(),
  })
  .map(({ kind, member, version, incarnation, state, whole, own }) =>
    kind === 'record'
      ? { kind, record: record(member, version, incarnation, state, whole) }
      : { kind, id: idOf(member), incarnation: hlcAt(incarnation), state, by: idOf(own ? member : ACCUSER) },
  );

/** Gives a packet to a core by way of the wire. */
function give(core: Core, packet: NativePacket): void {
  const decoded = wire.decode(wire.encode(packet, false) as Uint8Array, false) as NativePacket;
  core.handle({ type: 'packet', packet: decoded, source: { reliable: false } }, 10);
}

/** A core that knows everyone in their first versions, and hears this in this order. */
function hear(pieces: readonly News[]): Core {
  const core = oneCore();
  const first = [1, ...MEMBERS].map((member) => record(member, 0, 0, 'alive', true));
  for (const one of first) core.members.merge(one, one.id);
  for (const piece of pieces) give(core, { type: 'news', from: idOf(ACCUSER), news: [piece] });
  return core;
}

function table(core: Core): unknown {
  return MEMBERS.map((member) => {
    const { incarnation, state, version, address, tags, applicationVersion, bilingual, metadata } =
      core.members.get(idOf(member)) ?? {};
    return { member, incarnation, state, version, address, tags, applicationVersion, bilingual, metadata };
  });
}

test('real packets in any order, repeated and split in any way, end in the same table', () => {
  fc.assert(
    fc.property(fc.array(news, { maxLength: 20, size: 'max' }), fc.infiniteStream(fc.nat()), (pieces, order) => {
      const core = hear(pieces);
      const shuffled = [...pieces, ...pieces.slice(0, 5)]
        .map((piece) => ({ piece, at: order.next().value as number }))
        .sort((a, b) => a.at - b.at)
        .map(({ piece }) => piece);
      const other = hear(shuffled);
      expect(table(other)).toEqual(table(core));
      // Equal tables are known by their fingerprints, so that no difference stays unnoticed and no equality is compared.
      expect(other.members.fingerprint).toBe(core.members.fingerprint);
      const all = hear([]);
      give(all, { type: 'news', from: idOf(1), news: pieces });
      expect(table(all)).toEqual(table(core));
    }),
    { numRuns: tries(300, 100) },
  );
});

test('the table is the largest of everything heard', () => {
  fc.assert(
    fc.property(fc.array(news, { maxLength: 20, size: 'max' }), (pieces) => {
      const core = hear(pieces);
      for (const member of MEMBERS) {
        const about = pieces.filter((piece) => (piece.kind === 'record' ? piece.record.id : piece.id) === idOf(member));
        const opinions = about.map((piece) => (piece.kind === 'record' ? piece.record : piece));
        const best = opinions.reduce(merge, { incarnation: hlcAt(0), state: 'alive' });
        const whole = about.flatMap((piece) =>
          piece.kind === 'record' && piece.record.metadata ? [piece.record] : [],
        );
        const newest = whole.reduce((a, b) => (b.version > a.version ? b : a), record(member, 0, 0, 'alive', true));
        expect(core.members.get(idOf(member))).toMatchObject({
          incarnation: best.incarnation,
          state: best.state,
          version: newest.version,
          address: newest.address,
          tags: newest.tags,
          metadata: newest.metadata,
        });
      }
      const counted = STATES.map((state) => core.members.count(state));
      const rows = [...core.members.all()];
      expect(counted).toEqual(STATES.map((state) => rows.filter((row) => row.state === state).length));
    }),
    { numRuns: tries(300, 100) },
  );
});

test('two cores that tell each other everything end equal, whatever each had heard', () => {
  fc.assert(
    fc.property(fc.array(news, { maxLength: 10 }), fc.array(news, { maxLength: 10 }), (ours, theirs) => {
      const [a, b] = [hear(ours), hear(theirs)];
      const tell = (from: Core, to: Core) => {
        const pieces = [...from.members.all()]
          .filter(({ id }) => MEMBERS.some((member) => idOf(member) === id))
          .map((row): News => ({ kind: 'record', record: toRecord(row, true) }));
        give(to, { type: 'news', from: idOf(1), news: pieces });
      };
      tell(a, b);
      tell(b, a);
      expect(table(a)).toEqual(table(b));
    }),
    { numRuns: 200 },
  );
});

test('whatever is said about a member, the member itself outranks it', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.constantFrom(...STATES), (incarnation, state) => {
      const core = oneCore();
      core.members.merge(record(1, 0, 0, 'alive', true), idOf(1));
      const said = hlcAt(incarnation);
      const accused = said > core.self.incarnation || (said === core.self.incarnation && state !== 'alive');
      give(core, {
        type: 'news',
        from: idOf(1),
        news: [{ kind: 'state', id: idOf(0), incarnation: said, state, by: idOf(1) }],
      });
      expect(core.self.state).toBe('alive');
      expect(outranks(said, state, core.self.incarnation, 'alive')).toBe(false);
      if (accused) expect(core.self.incarnation).toBeGreaterThan(said);
    }),
  );
});
