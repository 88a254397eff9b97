// How long until all survivors have given up a member whose process was killed, or stopped without a word. Each measurement
// has a cluster of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from './processes.mjs';
import { median } from './statistics.mjs';

const FAULTS = { crash: 'SIGKILL', freeze: 'SIGSTOP' };
const LOOK_MS = 20;

/**
 * @param sizes - by the kind's name.
 * @returns a row per kind, size and fault: `{ kind, members, fault, firstS, allS, worstS, rounds, over, wrong }`: seconds until
 *   the first and the last survivor knew, medians over the rounds, and the longest `allS` of all; `over`: rounds in which not
 *   all knew within `capS`; `wrong`: how often somebody who was well was given up.
 */
export async function measureDetection(kinds, { sizes, rounds, settleMs, capS, onProgress }) {
  const rows = [];
  for (const members of new Set(Object.values(sizes).flat())) {
    const some = kinds.filter(({ name }) => sizes[name].includes(members));
    // The small clusters at once, as most of the time is waiting.
    const groups = members <= 3 ? [some] : some.map((kind) => [kind]);
    for (const group of groups) {
      const tries = group.flatMap((kind) => Object.keys(FAULTS).map((fault) => ({ kind, members, fault, found: [] })));
      for (let round = 1; round <= rounds; round++) {
        const names = group.map(({ name }) => name).join(', ');
        onProgress(`detect: ${names} with ${members} members, round ${round} of ${rounds}`);
        await Promise.all(tries.map((one) => oneFault(one, { settleMs, capS })));
      }
      rows.push(...tries.map((one) => row(one, rounds)));
    }
  }
  return rows;
}

async function oneFault(one, { settleMs, capS }) {
  if (one.error) return;
  let cluster;
  try {
    cluster = await startCluster(one.kind, one.members);
    await sleep(settleMs);
    const victim = cluster.members.at(-1);
    const survivors = cluster.members.slice(0, -1);
    const fromMs = performance.timeOrigin + performance.now();
    victim.kill(FAULTS[one.fault]);
    const given = () => survivors.map(({ view }) => view.get(victim.id)).filter((seen) => !seen.up);
    while (given().length < survivors.length && performance.timeOrigin + performance.now() - fromMs < capS * 1000) {
      await sleep(LOOK_MS);
    }
    const times = given().map(({ atMs }) => (atMs - fromMs) / 1000);
    const wrong = survivors.flatMap(({ view }) =>
      [...view].filter(([id, seen]) => !seen.up && id !== victim.id),
    ).length;
    one.found.push({
      firstS: Math.min(...times),
      allS: times.length < survivors.length ? Infinity : Math.max(...times),
      wrong,
    });
  } catch (error) {
    one.error = error.message;
  } finally {
    cluster?.close();
  }
}

function row({ kind, members, fault, found, error }, rounds) {
  const common = { kind: kind.name, members, fault };
  if (error) return { ...common, error };
  const all = found.map(({ allS }) => allS);
  const told = (value) => (Number.isFinite(value) ? value : undefined);
  return {
    ...common,
    rounds,
    firstS: told(median(found.map(({ firstS }) => firstS))),
    allS: told(median(all)),
    worstS: told(Math.max(...all)),
    over: all.filter((value) => value === Infinity).length,
    wrong: found.reduce((sum, { wrong }) => sum + wrong, 0),
  };
}
