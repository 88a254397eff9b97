// Frames a second: the Go library and ours take turns, process by process, so that what else the machine does falls on
// both; the figure is the median of all rounds.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'esbuild';
import { median } from './statistics.mjs';

/** Our codec and dialect, beside the Go codec that writes the same bytes; the native frame beside Go's default codec. */
const PAIRS = [
  { codec: 'msgpack', dialect: 'v1', go: 'shamaton-msgpack' },
  { codec: 'msgpack', dialect: 'v1', go: 'vmihailenco-msgpack' },
  { codec: 'msgpack-raw', dialect: 'v1', go: 'hashicorp-msgpack' },
  { codec: 'json', dialect: 'v1', go: 'json' },
  { codec: 'msgpack', dialect: 'native', go: 'shamaton-msgpack' },
];

/**
 * Measures every pair.
 * @param peersPath - the Go program, or `undefined`: then ours alone.
 * @returns `{ codec, dialect, go, iso: { encode, decode, frameBytes }, peer?: the same, ratio?: { encode, decode } }`, all
 *   operations a second; a ratio above 1 means that ours is faster.
 */
export async function measureCodecs(peersPath, { turns, rounds, roundMs, root, scratch, onProgress }) {
  const program = join(scratch, 'codec-iso.mjs');
  await build({
    entryPoints: [join(root, 'bench/codec-iso.ts')],
    outfile: program,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  });
  const pairs = peersPath ? PAIRS : PAIRS.filter((pair, i) => PAIRS.findIndex((p) => same(p, pair)) === i);
  const go = new Map();
  const iso = pairs.map(() => ({ encode: [], decode: [], frameBytes: 0 }));
  for (let turn = 1; turn <= turns; turn++) {
    onProgress(`codecs: turn ${turn} of ${turns}`);
    if (peersPath) {
      for (const line of lines(peersPath, ['codec', String(rounds), String(roundMs)])) {
        const rows = go.get(line.codec) ?? { encode: [], decode: [], frameHex: line.frameHex };
        go.set(line.codec, rows);
        rows.encode.push(...line.encode);
        rows.decode.push(...line.decode);
      }
    }
    for (const [i, pair] of pairs.entries()) {
      const frameHex = pair.dialect === 'v1' ? (go.get(pair.go)?.frameHex ?? '') : '';
      const args = [program, pair.codec, pair.dialect, String(rounds), String(roundMs), frameHex];
      const [line] = lines(process.execPath, args);
      iso[i].encode.push(...line.encode);
      iso[i].decode.push(...line.decode);
      iso[i].frameBytes = line.frameBytes;
    }
  }
  return pairs.map((pair, i) => result(pair, iso[i], go.get(pair.go)));
}

function same(a, b) {
  return a.codec === b.codec && a.dialect === b.dialect;
}

function lines(command, args) {
  const done = spawnSync(command, args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${args.slice(0, 3).join(' ')}: ${done.error?.message ?? done.stderr}`);
  return done.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function result(pair, own, other) {
  const iso = { encode: median(own.encode), decode: median(own.decode), frameBytes: own.frameBytes };
  if (!other) return { ...pair, iso };
  const peer = { encode: median(other.encode), decode: median(other.decode), frameBytes: other.frameHex.length / 2 };
  return { ...pair, iso, peer, ratio: { encode: iso.encode / peer.encode, decode: iso.decode / peer.decode } };
}
