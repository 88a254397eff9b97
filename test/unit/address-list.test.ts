/**
 * Addresses that are lists, in the core: who is found under a part of one, and what a peer of the Go library is told.
 */
import { assert, test } from 'vitest';
import { addressParts, sharesPart, v1Part } from '../../src/core/addresses.js';
import { Core } from '../../src/core/core.js';
import { createV1Rules } from '../../src/core/v1/rules.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { PRESETS } from '../../src/options.js';
import type { MemberRecord } from '../../src/wire/packet.js';

test('parts of addresses', () => {
  assert.deepEqual(addressParts('a:1'), ['a:1']);
  assert.deepEqual(addressParts('a:1 ws://a/'), ['a:1', 'ws://a/']);
  assert.equal(addressParts('x '.repeat(100)).length, 8);
  assert.ok(sharesPart('a:1', 'a:1'));
  assert.ok(sharesPart('ws://a/', 'a:1 ws://a/'));
  assert.ok(sharesPart('b:1 ws://a/', 'a:1 ws://a/'));
  assert.ok(!sharesPart('a', 'a:1 ws://a/'));
});

test('a v1 peer is told of the part of its own kind, of another it may know, and never of a WebSocket', () => {
  const cases: [string, string, string | undefined][] = [
    ['a:1', 'b:1', 'a:1'],
    ['a:1', 'https://b/', 'a:1'],
    ['ws://a/', 'b:1', undefined],
    ['WSS://a/ srv+wss://a/', 'b:1', undefined],
    ['ws://a/ a:1', 'b:1', 'a:1'],
    ['a:1 https://a/', 'https://b/', 'https://a/'],
    ['https://a/ a:1', 'b:1', 'a:1'],
    ['https://a/ a:1', 'srv+_gossip._tcp.b', 'a:1'],
    ['https://a/ a:1', '', 'a:1'],
    ['https://a/ http://a/', 'b:1', 'https://a/'],
  ];
  for (const [address, peer, told] of cases) assert.equal(v1Part(address, peer), told, `${address} to ${peer}`);
});

const ME = '018f0000-0000-7000-8000-000000000001';
const PEER = '018f0000-0000-7000-8000-000000000002';

function coreAt(address: string): Core {
  const config = {
    id: ME,
    address,
    tags: [],
    applicationVersion: '',
    metadata: {},
    metadataBytes: 0,
    timing: PRESETS.lan,
    limits: DEFAULT_LIMITS,
    epochMs: 1_800_000_000_000,
    seed: 1,
    refuseVersion: () => undefined,
    foreign: createV1Rules,
  };
  return new Core(config, 0);
}

test('a broken connection to a part of a list is evidence about its member, until it has another list', () => {
  const core = coreAt('a:1');
  const time = core.hlc.now(0);
  const record: MemberRecord = {
    id: PEER,
    incarnation: time,
    state: 'alive',
    dialect: 'native',
    bilingual: false,
    version: time,
    address: 'b:1 ws://b/',
    tags: [],
    protocolVersion: 1,
    applicationVersion: '',
    metadataBytes: 0,
    metadata: {},
  };
  const row = core.members.merge(record, ME);
  assert.ok(row);
  const found = (...addresses: string[]) => addresses.map((address) => core.members.atAddress(address).length);
  assert.deepEqual(found('b:1 ws://b/', 'b:1', 'ws://b/', 'ws://c/'), [1, 1, 1, 0]);
  core.handle({ type: 'disconnected', address: 'ws://b/' }, 1);
  assert.equal(core.stats().evidence, 1);
  core.members.setAddress(row, 'b:1 ws://c/');
  assert.deepEqual(found('b:1 ws://b/', 'b:1', 'ws://b/', 'ws://c/'), [0, 1, 0, 1]);
  core.members.remove(PEER);
  assert.deepEqual(found('b:1 ws://c/', 'b:1', 'ws://c/'), [0, 0, 0]);
});

test('a member that no v1 peer can reach has no v1 rules, and is not taken for one that serves them', () => {
  for (const [address, speaks] of [
    ['a:1', true],
    ['ws://a/', false],
    ['ws://a/ a:1', true],
  ] as const) {
    const core = coreAt(address);
    assert.equal(core.self.bilingual, speaks, address);
    assert.equal(core.foreign !== undefined, speaks, address);
  }
});
