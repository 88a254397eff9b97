/** A guardian hands on what a member of the Go library's dialect broadcasts after that one has had time to send it itself. */
import { expect, test } from 'vitest';
import type { Core } from '../../src/core/core.js';
import type { Effect } from '../../src/core/effect.js';
import { createV1Rules } from '../../src/core/v1/rules.js';
import type { V1Packet } from '../../src/wire/v1/packet.js';
import { hlcAt, idOf, oneCore } from './one-core.js';

/** A native with two members of the dialect, whose packets to one of them are looked at. */
function guardian() {
  const core: Core = oneCore({ address: '127.0.0.1:1', foreign: createV1Rules });
  for (const n of [1, 2]) {
    const record = {
      id: idOf(n),
      incarnation: hlcAt(0),
      state: 'alive',
      dialect: 'v1',
      bilingual: false,
      version: hlcAt(0),
      address: `127.0.0.1:${n + 1}`,
      tags: [],
      protocolVersion: 1,
      applicationVersion: '',
      metadata: {},
      metadataBytes: 0,
    } as const;
    core.members.merge(record, idOf(n));
  }
  core.handle({ type: 'tick' }, 1000);
  const handedOn = (effects: readonly Effect[]) =>
    effects.flatMap((effect) =>
      effect.type === 'send' && effect.packet.dialect === 'v1' && effect.packet.senderId === idOf(1) ? effect.to : [],
    );
  const packet: V1Packet = {
    dialect: 'v1',
    type: 200,
    senderId: idOf(1),
    messageId: hlcAt(1000),
    ttl: 0,
    replyExpected: false,
    message: { kind: 'data', payload: new Uint8Array(1) },
  };
  const hear = () => handedOn(core.handle({ type: 'packet', packet, source: { reliable: true } }, 1000));
  return { core, handedOn, hear };
}

test('its own copies come first, ours a moment later, once', () => {
  const { core, handedOn, hear } = guardian();
  expect(hear()).toEqual([]);
  expect(handedOn(core.handle({ type: 'tick' }, 1049))).toEqual([]);
  expect(handedOn(core.handle({ type: 'tick' }, 1050))).toEqual(['127.0.0.1:3']);
  expect(handedOn(core.handle({ type: 'tick' }, 1200))).toEqual([]);
});

test('a guardian that leaves meanwhile hands it on before it goes', () => {
  const { core, handedOn, hear } = guardian();
  expect(hear()).toEqual([]);
  expect(handedOn(core.handle({ type: 'leave' }, 1010))).toEqual(['127.0.0.1:3']);
});
