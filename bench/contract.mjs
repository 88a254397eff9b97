// What every member program of the benches has in common, so that one runner drives them all. A program is started as
// `PROGRAM PORT [JOIN_PORT ...]`, listens on 127.0.0.1:PORT, joins those on JOIN_PORTs and prints one JSON object a line:
//
//   {"event":"started","id"}                          it runs; `id` is what the others call it
//   {"event":"up","id","atMs"}                        it takes another member for alive
//   {"event":"down","id","atMs"}                      it has given another member up
//   {"event":"sent","messages","fromMs"}              the answer to "send", when all are sent
//   {"event":"heard","messages","duplicates","lastMs","p50Ms","p99Ms"}   the answer to "heard"
//   {"event":"memory","rss","heap", ...}              the answer to "memory", after a collection; ours alone
//
// It reads commands in the same form and ends with its standard input:
//
//   {"cmd":"send","run","seconds","perSecond","bytes","reliable"}   broadcasts; `perSecond` 0: as fast as the library takes them
//   {"cmd":"heard","run"}                                           what has come of that run
//   {"cmd":"memory","look"}                                         `look`: after the application has asked for all members
//
// Times are Unix milliseconds with a fraction: all members are on one machine, so one clock is theirs. peers/contract.go is
// the same for Go.
import { createInterface } from 'node:readline';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { quantile } from './statistics.mjs';

/** Broadcasts handed over before their promises are awaited. */
const BURST = 64;
/** How often a run with a rate sends what is due. */
const PACE_MS = 5;
/** `[u32 run][u32 number][f64 sent at]`, and zeros up to the size that was asked for. */
const HEAD_BYTES = 16;

export const ports = process.argv.slice(2).map(Number);
const nowMs = () => performance.timeOrigin + performance.now();
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
export const up = (id) => say({ event: 'up', id, atMs: nowMs() });
export const down = (id) => say({ event: 'down', id, atMs: nowMs() });

/** Messages as bytes, for libraries that carry bytes. */
export const BYTES = {
  make(run, number, sentMs, bytes) {
    // From Node's pool: what the bench itself costs is to be small.
    const message = Buffer.allocUnsafe(bytes).fill(0, HEAD_BYTES);
    message.writeUInt32BE(run, 0);
    message.writeUInt32BE(number, 4);
    message.writeDoubleBE(sentMs, 8);
    return message;
  },
  read(message) {
    const view = new DataView(message.buffer, message.byteOffset, HEAD_BYTES);
    return [view.getUint32(0), view.getUint32(4), view.getFloat64(8)];
  },
};

/** Messages as text of the same size, for libraries whose default codec is JSON. */
export const TEXT = {
  make: (run, number, sentMs, bytes) => `${run} ${number} ${sentMs} `.padEnd(bytes, '.'),
  read: (message) => message.split(' ', 3).map(Number),
};

/** Counts what arrives, one run at a time. */
export class Tally {
  #run = 0;
  #seen = new Uint8Array(1 << 16);
  #latenciesMs = [];
  #messages = 0;
  #duplicates = 0;
  #lastMs = 0;

  take([run, number, sentMs]) {
    if (run !== this.#run) this.#start(run);
    if (number >= this.#seen.length) {
      const larger = new Uint8Array(2 ** Math.ceil(Math.log2(number + 1)));
      larger.set(this.#seen);
      this.#seen = larger;
    }
    if (this.#seen[number]) {
      this.#duplicates++;
      return;
    }
    this.#seen[number] = 1;
    this.#messages++;
    this.#lastMs = nowMs();
    this.#latenciesMs.push(this.#lastMs - sentMs);
  }

  heard(run) {
    if (run !== this.#run) this.#start(run);
    const latencies = this.#latenciesMs;
    return {
      messages: this.#messages,
      duplicates: this.#duplicates,
      lastMs: this.#lastMs,
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
    };
  }

  #start(run) {
    this.#run = run;
    this.#seen.fill(0);
    this.#latenciesMs = [];
    this.#messages = this.#duplicates = this.#lastMs = 0;
  }
}

/**
 * Says that the program runs and answers commands until standard input ends; then ends the process.
 * @param send - `(message, reliable)`: broadcasts; a promise it returns is waited for.
 * @param look - asks for all members.
 * @param facts - what else there is to say beside the memory.
 */
export async function serve(id, { send, form = BYTES, tally, look, facts = () => ({}) }) {
  say({ event: 'started', id });
  for await (const text of createInterface({ input: process.stdin })) {
    const line = JSON.parse(text);
    if (line.cmd === 'send') void sendAll(line, send, form).then((sent) => say({ event: 'sent', ...sent }));
    else if (line.cmd === 'heard') say({ event: 'heard', ...tally.heard(line.run) });
    else if (line.cmd === 'memory') {
      if (line.look) look();
      say({ event: 'memory', ...memory(), ...facts() });
    }
  }
  process.exit(0);
}

async function sendAll({ run, seconds, perSecond, bytes, reliable }, send, form) {
  const fromMs = nowMs();
  const untilMs = fromMs + seconds * 1000;
  let number = 0;
  const one = () => {
    const sentMs = nowMs();
    return send(form.make(run, number++, sentMs, bytes), reliable);
  };
  if (perSecond === 0) {
    while (nowMs() < untilMs) {
      await Promise.all(Array.from({ length: BURST }, one));
      await turn();
    }
  } else {
    for (; number < seconds * perSecond; await sleep(PACE_MS)) {
      while (number < Math.min(seconds, (nowMs() - fromMs) / 1000) * perSecond) void one();
    }
  }
  return { messages: number, fromMs };
}

/** After a collection; `node --expose-gc`. */
function memory() {
  for (let i = 0; i < 3; i++) globalThis.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}
