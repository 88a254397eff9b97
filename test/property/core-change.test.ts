/**
 * Changes of metadata by their keys: whoever takes them, in whatever order and with whatever lost, holds one of the versions
 * there were, whole, and asks for the newest when it cannot make it.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Core } from '../../src/core/core.js';
import type { Metadata } from '../../src/core/metadata.js';
import type { MetadataChange, NativePacket } from '../../src/wire/packet.js';
import { tries } from '../effort.js';
import { hlcAt, idOf, oneCore } from '../unit/one-core.js';

const WRITER = idOf(1);

/** A core that knows the writer's first metadata. */
function reader(metadata: Metadata): Core {
  const core = oneCore();
  const said = { id: WRITER, incarnation: hlcAt(-9), version: hlcAt(-9), address: 'm1', tags: [] };
  const rest = { dialect: 'native', bilingual: false, protocolVersion: 1, applicationVersion: '' } as const;
  core.members.merge({ ...said, ...rest, state: 'alive', metadata, metadataBytes: 50 }, WRITER, true);
  return core;
}

function hear(core: Core, change: MetadataChange): boolean {
  const packet: NativePacket = { type: 'news', from: WRITER, news: [change] };
  core.handle({ type: 'packet', packet, source: { reliable: false } }, 1);
  const asks = core.handle({ type: 'tick' }, 150).some((e) => e.type === 'send' && e.packet.type === 'pull');
  return asks;
}

const key = fc.constantFrom('a', 'b', 'c', 'd');
const edits = fc.array(fc.dictionary(key, fc.option(fc.nat(9)), { minKeys: 1 }), { minLength: 1, maxLength: 6 });

test('what is read is a version there was, and the newest heard of or asked for', () => {
  fc.assert(
    fc.property(edits, fc.array(fc.nat(5), { maxLength: 12 }), fc.nat(3), (all, order, joined) => {
      const first: Metadata = { a: 1, b: 2, c: 3 };
      const versions = [{ version: hlcAt(-9), metadata: first }];
      const changes = all.map((edit, n): MetadataChange => {
        const last = versions.at(-1) as (typeof versions)[0];
        const entries = Object.entries({ ...last.metadata, ...edit }).filter(([, value]) => value !== null);
        const now = { version: hlcAt(-8) + BigInt(n), metadata: Object.fromEntries(entries) };
        versions.push(now);
        const set = Object.fromEntries(Object.entries(edit).filter(([, value]) => value !== null));
        const deleted = Object.keys(edit).filter((name) => edit[name] === null);
        return { kind: 'change', id: WRITER, from: last.version, version: now.version, set, deleted };
      });
      const core = reader(first);
      let newest = hlcAt(-9);
      let asked = hlcAt(-9);
      for (const at of order) {
        const change = changes[Math.min(at, changes.length - 1)] as MetadataChange;
        if (hear(core, change) && change.version > asked) asked = change.version;
        if (change.version > newest) newest = change.version;
        const row = core.members.get(WRITER);
        const is = versions.find(({ version }) => version === row?.version);
        expect(row?.metadata).toEqual(is?.metadata);
        expect((row?.version ?? 0n) >= newest || asked >= newest).toBe(true);
      }
      // What the reader passes on makes the same of any version that its change is from.
      const waits = core.news.take().find((piece) => piece.kind === 'change');
      if (waits?.kind !== 'change') return;
      const fits = versions.filter(({ version }) => version >= waits.from && version < waits.version);
      const from = fits[joined % fits.length] as (typeof versions)[0];
      const other = reader(from.metadata);
      const row = other.members.get(WRITER);
      if (row) row.version = from.version;
      expect(hear(other, waits)).toBe(false);
      expect(row?.metadata).toEqual(core.members.get(WRITER)?.metadata);
    }),
    { numRuns: tries(300, 100) },
  );
});

test('changes that would make more than metadataBytesMax are not taken, but asked for', () => {
  const core = reader({ a: 'x'.repeat(60_000) });
  const set = { b: 'y'.repeat(10_000) };
  const change = { kind: 'change', id: WRITER, from: hlcAt(-9), version: hlcAt(-8), set, deleted: [] } as const;
  expect(hear(core, change)).toBe(true);
  expect(core.members.get(WRITER)?.metadata).not.toHaveProperty('b');
});
