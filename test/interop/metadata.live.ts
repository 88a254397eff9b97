/**
 * Metadata between a Go peer and ours, under each codec: what a member starts with, what it changes and what it deletes
 * arrives typed on the other side, and nothing is reported while nothing changes.
 */
import { afterEach, expect, test } from 'vitest';
import { createHarness, describeWithGo, isoIsReal, type Peer, waitForAllAlive } from './harness.js';
import { type CodecPair, canonical, codecPairs } from './values.js';

/** What the Go library has setters for. */
const initial = { zone: 'eu', empty: '', active: true, weight: 7, below: -40_000, ratio: 0.25, wide: 4_294_967_296 };
const changed = {
  zone: 'příliš',
  active: false,
  big: { $int: '18446744073709551615' },
  low: { $int: '-9007199254740993' },
};
const afterwards = { zone: 'příliš', active: false, weight: 7, big: changed.big, low: changed.low, wide: initial.wide };
const options = Object.entries(initial).flatMap(([key, value]) => ['--meta', `${key}=${JSON.stringify(value)}`]);

const lastMetadata = (observer: Peer, id: string) =>
  observer.events.filter((event) => event.event === 'metadata' && event.id === id).at(-1)?.metadata;

async function waitForMetadata(observer: Peer, subject: Peer, codec: CodecPair, exact: object): Promise<void> {
  // The Go library reads JSON metadata without a type: there every number is a float64, rounded beyond 2^53.
  const rounds = codec.go === 'json' && (observer.kind === 'go' || !isoIsReal);
  const expected = rounds ? rounded(exact) : exact;
  const wanted = JSON.stringify(sorted(canonical(expected, codec.iso)));
  const isThere = () => JSON.stringify(sorted(canonical(lastMetadata(observer, subject.id), codec.iso))) === wanted;
  await observer.waitUntil(`metadata ${JSON.stringify(expected)} of ${subject.kind}`, isThere);
  const listed = (await observer.members()).find((member) => member.id === subject.id);
  expect(canonical(listed?.metadata, codec.iso)).toEqual(canonical(expected, codec.iso));
}

const rounded = (values: object) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, value?.$int ? Number(value.$int) : value]));

const sorted = (value: unknown) =>
  typeof value === 'object' && value !== null ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) : value;

describeWithGo('metadata of a Go peer and of ours', () => {
  const harness = createHarness();
  afterEach(() => harness.endAll());

  for (const codec of codecPairs) {
    test(`${codec.name}: initial, changed, deleted, seen by both kinds`, async () => {
      const go = await harness.startPeer({ kind: 'go', args: ['--codec', codec.go, ...options] });
      const iso = await harness.startPeer({ kind: 'iso', args: ['--codec', codec.iso, ...options], join: [go] });
      const other = await harness.startPeer({
        kind: 'iso',
        args: ['--codec', codec.iso, '--meta', 'name=x'],
        join: [iso],
      });
      const pairs = [
        [go, iso],
        [iso, go],
        [other, go],
        [other, iso],
      ] as const;
      await waitForAllAlive([go, iso, other]);
      for (const [observer, subject] of pairs) await waitForMetadata(observer, subject, codec, initial);
      await waitForMetadata(go, other, codec, { name: 'x' });

      for (const subject of [go, iso]) {
        const command = { cmd: 'meta', set: changed, delete: ['empty', 'below', 'ratio', 'never there'] };
        expect(await subject.call(command)).toMatchObject({ event: 'ok' });
      }
      for (const [observer, subject] of pairs) await waitForMetadata(observer, subject, codec, afterwards);
    });
  }

  test('times', async () => {
    const codec = codecPairs[0] as CodecPair;
    const go = await harness.startPeer({ kind: 'go', args: ['--meta', 'since={"$time":"2025-01-02T03:04:05.678Z"}'] });
    const iso = await harness.startPeer({ kind: 'iso', join: [go] });
    await waitForAllAlive([go, iso]);
    await waitForMetadata(iso, go, codec, { since: { $time: '2025-01-02T03:04:05.678Z' } });
    expect(await iso.call({ cmd: 'meta', set: { since: { $time: '2026-01-02T03:04:05Z' } } })).toMatchObject({
      event: 'ok',
    });
    await waitForMetadata(go, iso, codec, { since: { $time: '2026-01-02T03:04:05Z' } });
  });
});
