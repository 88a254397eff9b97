/** A leaf whose page stood still or was hidden: what it asks its gateway, and how long it says that it was away. */
import { expect, test } from 'vitest';
import type { Effect } from '../../src/core/effect.js';
import type { Input } from '../../src/core/input.js';
import { LeafCore } from '../../src/core/leaf-core.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { PRESETS } from '../../src/options.js';
import type { MemberRecord, NativePacket } from '../../src/wire/packet.js';

const ME = '018f0000-0000-7000-8000-000000000001';
const GATEWAY = '018f0000-0000-7000-8000-000000000002';
const URL = 'ws://gateway/';

/** A leaf at a gateway, at time 0. */
function attached() {
  const config = {
    id: ME,
    address: '',
    tags: [],
    applicationVersion: '',
    metadata: {},
    metadataBytes: 0,
    timing: PRESETS.lan,
    limits: DEFAULT_LIMITS,
    epochMs: 1_800_000_000_000,
    seed: 1,
    refuseVersion: () => undefined,
    gateways: [URL],
    proof: new Uint8Array(),
  };
  const core = new LeafCore(config, 0);
  const hear = (packet: NativePacket, nowMs: number) =>
    core.handle({ type: 'packet', packet, source: { reliable: true, address: URL } }, nowMs);
  const welcome = (nowMs: number) => {
    const record = { ...core.self, version: BigInt(nowMs), via: GATEWAY } satisfies MemberRecord;
    hear({ type: 'welcome', from: GATEWAY, pingIntervalMs: 5000, record }, nowMs);
    return hear({ type: 'state', from: GATEWAY, records: [], last: true, whole: false }, nowMs);
  };
  core.handle({ type: 'tick' }, 0);
  welcome(0);
  return {
    core,
    welcome,
    ping: (nowMs: number) => hear({ type: 'ping', seq: 0, from: GATEWAY, news: [] }, nowMs),
    hear,
    page: (page: Omit<Extract<Input, { type: 'page' }>, 'type'>, nowMs: number) =>
      core.handle({ type: 'page', ...page }, nowMs),
  };
}

/** The packets that it sends, and where else its effects go. */
const told = (effects: readonly Effect[]) =>
  effects.map((effect) => (effect.type === 'send' ? effect.packet.type : effect.type)).filter((type) => type !== 'log');

test('what arrives after a pause may be old: the time away begins before the pause', () => {
  const { core, ping, welcome } = attached();
  ping(5000);
  // It stands still for half a minute; what its gateway sent before it gave it up is there when it wakes.
  expect(told(ping(35_000))).toContain('ping');
  ping(35_001);
  core.handle({ type: 'disconnected', address: URL }, 35_002);
  core.handle({ type: 'tick' }, 36_000);
  expect(welcome(36_000)).toContainEqual({ type: 'resumed', awayMs: 31_000 });
});

test('when its gateway answers after a pause, it was not away', () => {
  const { core, ping, hear, welcome } = attached();
  ping(5000);
  expect(told(ping(35_000))).toContain('ping');
  hear({ type: 'ack', seq: 1, from: GATEWAY, news: [] }, 35_001);
  core.handle({ type: 'tick' }, 36_000);
  ping(40_000);
  core.handle({ type: 'disconnected', address: URL }, 41_000);
  core.handle({ type: 'tick' }, 42_000);
  expect(welcome(42_000)).toContainEqual({ type: 'resumed', awayMs: 2000 });
});

test('a hidden page looks for its gateway when it is told to, a page that sleeps lets it go after a word', () => {
  const { core, page } = attached();
  expect(told(page({ hidden: true }, 1000))).toEqual(['hidden']);
  expect(told(page({ hidden: true, look: true }, 1100))).toEqual(['hidden', 'ping']);
  expect(told(page({ hidden: false }, 1200))).toEqual(['hidden', 'ping']);
  expect(told(page({ hidden: true, asleep: true }, 1300))).toEqual(['hidden', 'disconnect', 'change']);
  expect(told(core.handle({ type: 'tick' }, 500_000))).toEqual([]);
  expect(told(page({ hidden: false, look: true }, 500_100))).toEqual(['attach']);
});
