/** Whom a member that relays makes wait: who sends more than can go on, nobody else, and nobody for ever. */
import { expect, test } from 'vitest';
import type { Input, Packet } from '../../src/core/input.js';
import { RelayPressure } from '../../src/relay-pressure.js';
import { settled, VirtualClock } from './cluster-harness.js';

const [ME, ANN, BEN] = [1, 2, 3].map((n) => `01900000-0000-7000-8000-00000000000${n}`) as [string, string, string];
const QUEUE_BYTES = 1000;

/** A push of a broadcast that came from somebody, or from the application. */
const push = (from: string | undefined, bytes: number): Packet => {
  const name = { origin: from ?? ME, messageId: 1n, messageType: 129, hops: 1, reliable: false, tag: '' };
  return { type: 'gossip', from: ME, messages: [{ ...name, payload: new Uint8Array(bytes), from }] };
};
const arrived = (from: string, reliable = true): Input => ({
  type: 'packet',
  packet: { type: 'gossip', from, messages: [] },
  source: { reliable },
});

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
  // A datagram is no stream that could be read more slowly.
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

test('nobody waits for who takes nothing at all longer than a moment, each time', async () => {
  const { clock, pressure } = start();
  pressure.sending(push(ANN, 900), 1);
  for (let i = 0; i < 2; i++) {
    const waiting = pressure.after(arrived(ANN));
    await clock.advance(249);
    expect(await isDone(waiting)).toBe(false);
    await clock.advance(1);
    expect(await isDone(waiting)).toBe(true);
  }
});

test('who is closing lets everybody go, and leaves no timer', async () => {
  const { clock, pressure } = start();
  pressure.sending(push(ANN, 900), 1);
  const waiting = pressure.after(arrived(ANN));
  pressure.free();
  expect(await isDone(waiting)).toBe(true);
  expect(clock.pending).toBe(0);
});
