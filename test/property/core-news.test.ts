/** News waits by how often it was sent: what is taken is the same as if all of it were sorted for each packet. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Core } from '../../src/core/core.js';
import type { News } from '../../src/wire/packet.js';
import { tries } from '../effort.js';
import { hlcAt, idOf, oneCore } from '../unit/one-core.js';

const MEMBERS = 60;

function coreWith(members: number): Core {
  const core = oneCore();
  for (let n = 1; n <= members; n++) {
    const about = { id: idOf(n), address: `m${n + 100}`, incarnation: hlcAt(-1), version: hlcAt(-1) };
    const rest = { dialect: 'native', bilingual: false, tags: [], protocolVersion: 1, applicationVersion: '' } as const;
    core.members.merge({ ...about, ...rest, state: 'alive', metadata: {}, metadataBytes: 0 }, idOf(n), true);
  }
  return core;
}

const key = (news: News) => (news.kind === 'record' ? `r${news.record.id}` : `s${news.id}`);

test('least sent first, newest first among equals, each so many times and no more', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ add: fc.constantFrom('r', 's'), n: fc.integer({ min: 1, max: MEMBERS }) }) },
    { weight: 1, arbitrary: fc.constant('take' as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      const core = coreWith(MEMBERS);
      // 4 × ⌈log10(62)⌉, as `docs/protocol.md` says.
      const times = 8;
      let waiting: { key: string; sent: number; age: number }[] = [];
      let age = 0;
      for (const one of [...steps, ...Array<'take'>(100).fill('take')]) {
        if (one === 'take') {
          const taken = core.news.take().map(key);
          const inOrder = [...waiting].sort((a, b) => a.sent - b.sent || b.age - a.age).map((item) => item.key);
          // A large piece may make room for smaller ones behind it, never for others of its kind: they are of one size.
          for (const kind of ['r', 's']) {
            const ofKind = (keys: string[]) => keys.filter((name) => name[0] === kind);
            expect(ofKind(taken)).toEqual(ofKind(inOrder).slice(0, ofKind(taken).length));
          }
          expect(taken.length).toBeGreaterThanOrEqual(Math.min(5, waiting.length));
          for (const item of waiting) if (taken.includes(item.key)) item.sent++;
          waiting = waiting.filter((item) => item.sent < times);
        } else {
          const row = core.members.get(idOf(one.n)) as never;
          if (one.add === 'r') core.news.addRecord(row);
          else core.news.addState(row, idOf(1));
          const name = one.add + idOf(one.n);
          waiting = [...waiting.filter((item) => item.key !== name), { key: name, sent: 0, age: age++ }];
        }
        expect(core.news.size).toBe(waiting.length);
      }
    }),
    { numRuns: tries(40, 10) },
  );
});

test('while a storm of news waits tables are compared as well; after a little news only when all of it is out', () => {
  /** How much news waited when digests were sent. */
  const waitingAtDigests = (pieces: number) => {
    const core = coreWith(pieces);
    for (const row of core.members.natives()) core.news.addRecord(row);
    const sizes: number[] = [];
    for (let nowMs = 1; nowMs < 10_000; nowMs += 10) {
      const digests = core
        .handle({ type: 'tick' }, nowMs)
        .filter((effect) => effect.type === 'send' && effect.packet.type === 'digest');
      for (const _ of digests) sizes.push(core.news.size);
      if (core.news.size === 0 && sizes.length > 0) break;
    }
    return sizes;
  };
  expect(new Set(waitingAtDigests(40))).toEqual(new Set([0]));
  expect(waitingAtDigests(300).some((size) => size > 64)).toBe(true);
});
