// Broadcasts of 100 bytes from one member to all others: at a quiet rate, for delivery and latency, and as fast as the
// sender's library takes them, for throughput. One cluster at a time, so that nothing else is measured with it.
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from './processes.mjs';

const MESSAGE_BYTES = 100;
/** No member has heard anything new for this long: the rest will not come. */
const QUIET_MS = 1500;
/** Nor does a run last longer than this after its end. */
const DRAIN_MS = 60_000;

/**
 * @param sizes - by the kind's name.
 * @returns a row per kind, size and mode: `{ kind, members, mode, share, duplicates, p50Ms, p99Ms, flood? }`. `share` of
 *   what should have arrived has, each once; `duplicates` that reached the application, for each that arrived; times from the
 *   call to the handler at the slowest member. `flood`: `{ perSecond, share }`, distinct messages at the slowest.
 */
export async function measureBroadcasts(kinds, { sizes, seconds, perSecond, floodSeconds, settleMs, onProgress }) {
  const rows = [];
  for (const members of new Set(Object.values(sizes).flat())) {
    for (const kind of kinds.filter(({ name }) => sizes[name].includes(members))) {
      let cluster;
      try {
        onProgress(`broadcast: ${kind.name} with ${members} members`);
        cluster = await startCluster(kind, members);
        await sleep(settleMs);
        let run = 0;
        for (const mode of kind.modes) {
          const reliable = mode === 'reliable';
          const paced = await oneRun(cluster, { run: ++run, seconds, perSecond, reliable });
          const row = { kind: kind.name, members, mode, ...paced };
          rows.push(row);
          if (members > 3) continue;
          onProgress(`broadcast: ${kind.name}${mode ? `, ${mode},` : ''} as fast as it goes`);
          const fast = await oneRun(cluster, { run: ++run, seconds: floodSeconds, perSecond: 0, reliable });
          row.flood = { perSecond: fast.perSecond, share: fast.share, p99Ms: fast.p99Ms };
        }
      } catch (error) {
        rows.push({ kind: kind.name, members, error: error.message });
      } finally {
        cluster?.close();
      }
    }
  }
  return rows;
}

async function oneRun({ members: [sender, ...others] }, command) {
  const sent = await sender.ask({ cmd: 'send', bytes: MESSAGE_BYTES, ...command }, 'sent');
  const ask = () => Promise.all(others.map((one) => one.ask({ cmd: 'heard', run: command.run }, 'heard')));
  const count = (heard) => heard.reduce((sum, { messages }) => sum + messages, 0);
  const untilMs = performance.now() + DRAIN_MS;
  let heard = await ask();
  for (let before = -1; count(heard) !== before && performance.now() < untilMs; heard = await ask()) {
    before = count(heard);
    if (before === sent.messages * others.length) break;
    await sleep(QUIET_MS);
  }
  const arrived = count(heard);
  const slowest = (name) => Math.max(...heard.map((one) => one[name] ?? Number.NaN));
  return {
    messages: sent.messages,
    share: arrived / (sent.messages * others.length),
    duplicates: heard.reduce((sum, { duplicates }) => sum + duplicates, 0) / arrived,
    p50Ms: slowest('p50Ms'),
    p99Ms: slowest('p99Ms'),
    perSecond: Math.min(...heard.map(({ messages, lastMs }) => (messages * 1000) / (lastMs - sent.fromMs))),
  };
}
