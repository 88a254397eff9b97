/** The command `npm run sim`: what it prints, for each scenario with a few members. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { Members } from '../../src/core/members.js';
import { Prober } from '../../src/core/probe.js';
import { Refutation } from '../../src/core/refutation.js';
import { main } from '../../tools/sim/main.js';
import { SCENARIOS } from '../../tools/sim/scenarios.js';
import { some } from '../effort.js';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Whatever a member says, it is as if it were silent, and it says nothing against that. */
function breakDetection(): void {
  vi.spyOn(Prober.prototype, 'onAck').mockReturnValue(undefined);
  vi.spyOn(Members.prototype, 'heard').mockReturnValue(undefined);
  vi.spyOn(Refutation.prototype, 'answer').mockReturnValue(undefined);
}

async function sim(...argv: string[]): Promise<{ code: number; out: string; progress: string }> {
  const said = { out: '', progress: '' };
  const code = await main(argv, {
    out: (text) => {
      said.out += `${text}\n`;
    },
    progress: (text) => {
      said.progress += `${text}\n`;
    },
  });
  return { code, ...said };
}

const SUMMARY = {
  count: expect.any(Number),
  mean: expect.any(Number),
  median: expect.any(Number),
  p99: expect.any(Number),
  max: expect.any(Number),
};
const TIMES = { crashes: expect.any(Number), suspectedMs: SUMMARY, firstMs: SUMMARY, fullMs: SUMMARY };
const ACCUSATIONS = {
  ofHealthyByHealthy: expect.any(Number),
  ofHealthyByFaulty: expect.any(Number),
  ofFaultyByHealthy: expect.any(Number),
  ofFaultyByFaulty: expect.any(Number),
  who: expect.any(Array),
};
const DELIVERY = {
  messages: expect.any(Number),
  receivers: expect.any(Number),
  delivered: expect.toSatisfy((share) => share === null || share > 0),
  timeMs: SUMMARY,
  lastDeliveryMs: SUMMARY,
  lastDeliveryHop: SUMMARY,
};

/** Those with other peers first. */
const NAMES = [...new Set(['mixed', 'leaves', 'broadcast', ...Object.keys(SCENARIOS)])];

test.each(some(NAMES, 6))('%s: all figures are there, and all rules hold', async (scenario) => {
  const { code, out } = await sim('--scenario', scenario, '--members', '4', '--seed', '2', '--json');
  const report = JSON.parse(out);
  expect(report).toEqual({
    scenario,
    members: 4,
    v1: scenario === 'mixed' ? 2 : 0,
    leaves: scenario === 'leaves' ? 4 : 0,
    preset: 'lan',
    seed: 2,
    seeds: 1,
    traceHashes: [expect.stringMatching(/^[0-9a-f]{16}$/)],
    figures: {
      perMemberPerS: { bytesOut: SUMMARY, bytesIn: SUMMARY, packetsOut: SUMMARY, packetsIn: SUMMARY },
      detection: { silent: TIMES, killed: TIMES },
      falseSuspicions: ACCUSATIONS,
      falseDeaths: { ...ACCUSATIONS, believedByHealthyOfHealthy: expect.any(Number) },
      convergenceMs: SUMMARY,
      broadcast: { quiet: DELIVERY, troubled: DELIVERY, redundancy: expect.any(Number) },
      queueMax: expect.any(Number),
      uplinkQueueBytesMax: expect.any(Number),
      memory: { rows: expect.any(Number), heapBytesPerMember: expect.any(Number), heapBytesPerRow: expect.any(Number) },
      speed: { virtualS: expect.any(Number), cpuS: expect.any(Number), timesRealTime: expect.any(Number) },
    },
    violations: [],
  });
  expect(report.figures.perMemberPerS.bytesOut.mean).toBeGreaterThan(20);
  expect(report.figures.convergenceMs.count).toBe(1);
  expect(code).toBe(0);
});

test('several seeds give figures of all together; people get tables and a picture', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isogossip-sim-'));
  try {
    const svg = join(folder, 'run.svg');
    const { code, out } = await sim('--scenario', 'bootstrap', '--members', '4', '--seeds', '2', '--svg', svg);
    expect(code).toBe(0);
    expect(out).toMatch(/^bootstrap: 4 members, preset lan, seeds 1 to 2$/m);
    expect(out).toMatch(/^views equal +2 +/m);
    expect(out).toMatch(/^all \d+ rules held$/m);
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg [\s\S]*<path d="M[\s\S]*<\/svg>$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('v1 peers and a preset can be added to any scenario', async () => {
  const { out } = await sim('--scenario', 'bootstrap', '--members', '3', '--v1', '1', '--preset', 'local', '--json');
  expect(JSON.parse(out)).toMatchObject({ v1: 1, preset: 'local', violations: [] });
});

test('a broken rule is told with a smaller plan, which can be replayed', async () => {
  breakDetection();
  const failed = await sim('--scenario', 'steady', '--members', '4');
  expect(failed.code).toBe(1);
  expect(failed.out).toMatch(/^BROKEN: healthy-declared-dead/m);
  const plan = failed.progress.match(/^replay: npm run sim -- --replay --plan '(.*)'$/m)?.[1] ?? '';
  expect(JSON.parse(plan).members).toBeLessThan(4);
  const again = await sim('--replay', '--plan', plan);
  expect(again.code).toBe(1);
  expect(again.progress).toMatch(/sees \d+ dead, was suspect\nBROKEN healthy-declared-dead at \d+ ms: /);
});

test('a soak that breaks a rule stops and says how to see it again', async () => {
  breakDetection();
  const { code, out } = await sim('--soak', '1', '--seed', '5');
  expect(code).toBe(1);
  expect(out).toMatch(/^seed \d+ of the soak: BROKEN healthy-declared-dead at/m);
  expect(out).toMatch(/^replay: npm run sim -- --replay --plan '/m);
});

test('a soak that does not ends when its time is up', async () => {
  const { code, out } = await sim('--soak', '0.001', '--seed', '9');
  expect(out).toMatch(/^soak: 1 plans from seed 9 on, .* virtual hours, rules looked at [\d,]+ times: all held$/m);
  expect(code).toBe(0);
});

test('without arguments it explains itself; with wrong ones it says what is wrong', async () => {
  const help = await sim();
  expect(help.code).toBe(0);
  for (const name of Object.keys(SCENARIOS)) expect(help.out).toContain(`\n  ${name} `);
  for (const [argv, message] of [
    [['--scenario', 'no'], /^--scenario can be steady, .*; not "no"$/m],
    [['--experiment', 'paxos'], /^--experiment can be lifeguard, swim, /],
    [['--members', '5'], /^no scenario: /],
    [['--scenario', 'steady', '--members', '1'], /^--members must be a whole number from 2 on, not "1"$/m],
    [['--scenario', 'steady', '--preset', 'moon'], /^--preset can be local, lan or wan/],
    [['--soak', 'x'], /^--soak takes minutes, not "x"$/m],
    [['--colour'], /--colour/],
  ] as const) {
    const wrong = await sim(...argv);
    expect([wrong.code, wrong.out]).toEqual([2, '']);
    expect(wrong.progress).toMatch(message);
  }
});
