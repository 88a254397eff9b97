// Starts and ends what is measured: the peers' programs are built or installed here, each cluster gets a network namespace
// of its own, and each member is a process that speaks as contract.mjs says. Processes are ended by their id.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = resolve(fileURLToPath(import.meta.url), '../..');

/** The first member's port; nothing else is in its namespace. */
const PORT_FIRST = 20_000;
/** A cluster that is not whole by then has failed. */
const WHOLE_WITHIN_MS = 120_000;
const LOOK_MS = 20;

/** What every process of ours has been started as, so that all end with us. */
const running = new Set();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Every kind of member that this machine can run, ours first.
 * @returns `{ kinds: { name, version, command, modes, meshed }[], go, skipped }`. `modes` are its ways to broadcast, `meshed`
 *   members are told of all others at their start, the rest of one; `go` is the program of the Go peers.
 */
export function findKinds(scratch, progress) {
  const skipped = [];
  const kinds = [];
  const both = ['best effort', 'reliable'];
  const add = (name, version, command, { modes = [''], meshed = false } = {}) =>
    kinds.push({ name, version, command, modes, meshed });
  const ours = join(root, 'bench/member.mjs');
  if (existsSync(join(root, 'dist/index.js'))) {
    add('isogossip', readJson(join(root, 'package.json')).version, [process.execPath, '--expose-gc', ours], {
      modes: both,
    });
  } else skipped.push('isogossip itself: run `npm run build` first');

  progress('building the Go peers');
  const go = buildGo(join(scratch, 'peers'));
  if (go.path) {
    const modules = readFileSync(join(root, 'bench/peers/go.mod'), 'utf8');
    const version = (module) => modules.match(new RegExp(`${module} v(\\S+)`))?.[1];
    add('gossip', version('paularlott/gossip'), [go.path, 'member', 'gossip'], { modes: both });
    add('memberlist', version('hashicorp/memberlist'), [go.path, 'member', 'memberlist']);
  } else skipped.push(`the Go library and memberlist: ${go.reason}`);

  progress('installing the npm peers');
  const npm = installNpm();
  const installed = (name) => readJson(join(root, 'bench/peers/node_modules', name, 'package.json')).version;
  if (npm.reason) skipped.push(`moleculer and libp2p: ${npm.reason}`);
  else {
    add('moleculer', installed('moleculer'), [process.execPath, join(root, 'bench/peers/moleculer.mjs')], {
      meshed: true,
    });
    const version = `${installed('@libp2p/gossipsub')} on libp2p ${installed('libp2p')}`;
    add('gossipsub', version, [process.execPath, join(root, 'bench/peers/libp2p.mjs')], { meshed: true });
  }
  return { kinds, go: go.path, skipped };
}

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

function buildGo(path) {
  const env = { ...process.env };
  const proxy = resolve(root, '../shared/go-proxy');
  if (existsSync(proxy)) env.GOPROXY = `file://${proxy},${process.env.GOPROXY || 'https://proxy.golang.org,direct'}`;
  const built = spawnSync('go', ['build', '-mod=readonly', '-o', path, '.'], {
    cwd: join(root, 'bench/peers'),
    env,
    encoding: 'utf8',
  });
  if (built.status === 0) return { path };
  return {
    reason: built.error?.code === 'ENOENT' ? 'Go is not installed' : (built.error?.message ?? built.stderr).trim(),
  };
}

/** By the lock file of peers/, into peers/node_modules, unless that is as new. */
function installNpm() {
  const at = join(root, 'bench/peers');
  const done = join(at, 'node_modules/.package-lock.json');
  const fresh = existsSync(done) && statSync(done).mtimeMs >= statSync(join(at, 'package-lock.json')).mtimeMs;
  if (fresh) return {};
  const run = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: at, encoding: 'utf8' });
  return run.status === 0 ? {} : { reason: `npm ci: ${run.error?.message ?? run.stderr.trim().slice(-300)}` };
}

/**
 * Opens a network namespace with `lo` up.
 * @returns `{ enter, pid, close() }`: `enter` goes before a command that is to run in it; or `{ reason }` when that is not ours to do.
 */
export async function openNamespace() {
  let reason = '';
  for (const user of [[], ['-r']]) {
    const args = [...user, '-n', 'sh', '-c', 'ip link set lo up && echo up && exec cat'];
    const holder = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    running.add(holder);
    let complaint = '';
    holder.stderr.on('data', (chunk) => {
      complaint += chunk;
    });
    const open = await new Promise((done) => {
      holder.once('error', (error) => {
        complaint = error.message;
        done(false);
      });
      holder.once('close', () => done(false));
      holder.stdout.once('data', () => done(true));
    });
    if (open) {
      const own = user.length > 0 ? ['-U', '--preserve-credentials'] : [];
      const enter = ['nsenter', '-t', String(holder.pid), ...own, '-n', '--'];
      return { enter, pid: holder.pid, close: () => end(holder) };
    }
    running.delete(holder);
    reason = complaint.trim();
  }
  return { reason: `no right to make network namespaces here (${reason})` };
}

function end(child) {
  running.delete(child);
  child.kill('SIGKILL');
}

/** One process that prints lines of JSON and takes commands as such. */
export function startProgram(command) {
  const child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
  running.add(child);
  let complaint = '';
  child.stderr.on('data', (chunk) => {
    complaint = (complaint + chunk).slice(-2000);
  });
  child.stdin.on('error', () => {});
  const waiting = new Map();
  const program = {
    child,
    /** By id: whether it is taken for alive, and since when. */
    view: new Map(),
    /** How often it has given somebody up. */
    downs: 0,
    gone: new Promise((_, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        running.delete(child);
        reject(new Error(`ended with ${signal ?? code}: ${complaint.trim()}`));
      });
    }),
    /** The next line with that event. */
    line: (event) => Promise.race([new Promise((done) => waiting.set(event, done)), program.gone]),
    ask(command, event) {
      const answer = program.line(event);
      child.stdin.write(`${JSON.stringify(command)}\n`);
      return answer;
    },
    kill: (signal) => child.kill(signal),
  };
  program.gone.catch(() => {});
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text);
    if (line.event === 'up' || line.event === 'down') {
      if (line.event === 'down') program.downs++;
      program.view.set(line.id, { up: line.event === 'up', atMs: line.atMs });
    }
    waiting.get(line.event)?.(line);
    waiting.delete(line.event);
  });
  return program;
}

/**
 * Starts a cluster of one kind and waits until everybody sees everybody.
 * @returns `{ kind, members: programs with an `id`, namespace, close() }`.
 * @throws when it does not become whole.
 */
export async function startCluster(kind, size) {
  const namespace = await openNamespace();
  if (namespace.reason) throw new Error(namespace.reason);
  const members = [];
  const close = () => {
    for (const { child } of members) end(child);
    namespace.close();
  };
  const start = async (i) => {
    const join = kind.meshed ? Array.from({ length: i }, (_, j) => PORT_FIRST + j) : i > 0 ? [PORT_FIRST] : [];
    const member = startProgram([...namespace.enter, ...kind.command, ...[PORT_FIRST + i, ...join].map(String)]);
    members.push(member);
    member.id = (await member.line('started')).id;
  };
  try {
    await start(0);
    if (kind.meshed) for (let i = 1; i < size; i++) await start(i);
    else await Promise.all(Array.from({ length: size - 1 }, (_, i) => start(i + 1)));
    const whole = () => members.every(({ view, id }) => members.every((o) => o.id === id || view.get(o.id)?.up));
    const startMs = performance.now();
    while (!whole()) {
      if (performance.now() - startMs > WHOLE_WITHIN_MS) {
        const seen = members.map(({ view }) => [...view.values()].filter((v) => v.up).length);
        throw new Error(`${size} members did not find each other: they see ${seen.join(', ')} others`);
      }
      await sleep(LOOK_MS);
    }
    return { kind, members, namespace, close };
  } catch (error) {
    close();
    throw new Error(`${kind.name}, ${size} members: ${error.message}`);
  }
}
