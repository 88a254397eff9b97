/** Whom a member that relays makes wait: who sends more than can go on, nobody else, and nobody for ever. */
import { expect, test } from 'vitest';
import type { Input, Packet } from '../../src/core/input.js';
import { RelayPressure } from '../../src/relay-pressure.js';
import { V1_TYPE } from '../../src/wire/v1/packet.js';
import { settled, VirtualClock } from './cluster-harness.js';

const [ME, ANN, BEN] = [1, 2, 3].map((n) => `01900000-0000-7000-8000-00000000000${n}`) as [string, string, string];
const QUEUE_BYTES = 1000;

/** A push of a broadcast that came from somebody, or from the application. */
const push = (from: string | undefined, bytes: number): Packet => {
  // Who brings a broadcast is seldom whose it is.
  const name = { origin: BEN, messageId: 1n, messageType: 129, hops: 1, reliable: false, tag: '' };
  return { type: 'gossip', from: ME, messages: [{ ...name, payload: new Uint8Array(bytes), from }] };
};
const arrived = (from: string, mayWait = true): Input => ({
  type: 'packet',
  packet: { type: 'gossip', from, messages: [] },
  source: { reliable: true, mayWait },
});

const V1_PING: Packet = {
  dialect: 'v1',
  type: V1_TYPE.ping,
  senderId: ANN,
  messageId: 1n,
  ttl: 0,
  replyExpected: false,
  message: { kind: 'ping', id: ANN, address: 'ann' },
};

/** Whether a promise has resolved by now. */
async function isDone(promise: Promise<unknown> | undefined): Promise<boolean> {
  let done = promise === undefined;
  promise?.then(() => {
    done = true;
  });
  await settled();
  return done;
}

function start() {
  const clock = new VirtualClock();
  return { clock, pressure: new RelayPressure(QUEUE_BYTES, clock) };
}

test('whose broadcasts have not gone on waits until most of them have, and nobody else does', async () => {
  const { clock, pressure } = start();
  const taken = pressure.sending(push(ANN, 200), 2);
  const waiting = pressure.after(arrived(ANN));
  expect(waiting).toBeDefined();
  expect(pressure.after(arrived(BEN))).toBeUndefined();
  // By a carrier whose pings would wait as well.
  expect(pressure.after(arrived(ANN, false))).toBeUndefined();
  expect(pressure.after({ type: 'tick' })).toBeUndefined();
  expect(await isDone(waiting)).toBe(false);
  taken?.();
  expect(await isDone(waiting)).toBe(true);
  expect(pressure.after(arrived(ANN))).toBeUndefined();
  taken?.();
  expect([pressure.bytes, clock.pending]).toEqual([0, 0]);
});

test('what the application broadcasts makes itself wait and no other member', async () => {
  const { pressure } = start();
  const taken = pressure.sending(push(undefined, 600), 1);
  expect(pressure.after(arrived(ANN))).toBeUndefined();
  // What has no such sender comes from a Go peer.
  expect(
    pressure.after({ type: 'packet', packet: V1_PING, source: { reliable: true, mayWait: true } }),
  ).toBeUndefined();
  const room = pressure.room();
  expect(await isDone(room)).toBe(false);
  taken?.();
  expect(await isDone(room)).toBe(true);
});

test('what is relayed leaves less room for the application', () => {
  const { pressure } = start();
  pressure.sending(push(ANN, 300), 3);
  expect([pressure.isAbove(100), pressure.isAbove(101)]).toEqual([false, true]);
});

test('nobody is waited for longer than a second, until most has gone on again', async () => {
  const { clock, pressure } = start();
  const taken = pressure.sending(push(ANN, 900), 1);
  const first = pressure.after(arrived(ANN));
  await clock.advance(600);
  const second = pressure.after(arrived(ANN));
  await clock.advance(399);
  expect([await isDone(first), await isDone(second)]).toEqual([false, false]);
  await clock.advance(1);
  expect([await isDone(first), await isDone(second)]).toEqual([true, true]);
  expect(pressure.after(arrived(ANN))).toBeUndefined();
  const more = pressure.sending(push(ANN, 900), 1);
  taken?.();
  expect(pressure.after(arrived(ANN))).toBeUndefined();
  more?.();
  pressure.sending(push(ANN, 900), 1);
  const later = pressure.after(arrived(ANN));
  await clock.advance(999);
  expect(await isDone(later)).toBe(false);
  await clock.advance(1);
  expect(await isDone(later)).toBe(true);
});

test('a push of empty messages, or one of the same member before it, changes nothing for what is under way', () => {
  const { pressure } = start();
  const one = pressure.sending(push(ANN, 300), 1);
  const empty = pressure.sending(push(ANN, 0), 1);
  one?.();
  pressure.sending(push(ANN, 900), 1);
  empty?.();
  expect(pressure.after(arrived(ANN))).toBeDefined();
});

test('who is closing lets everybody go, and leaves no timer', async () => {
  const { clock, pressure } = start();
  pressure.sending(push(ANN, 900), 1);
  const waiting = pressure.after(arrived(ANN));
  pressure.free();
  expect(await isDone(waiting)).toBe(true);
  expect(clock.pending).toBe(0);
});
