/**
 * The demo's three members: each is a process of its own that runs `isogossip member --json`, and what it prints is
 * what it believes about the others. They talk to each other only through the cluster; the demo just listens and
 * gives commands.
 */
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const NAMES = ['Ada', 'Ben', 'Cleo'];
const CHAT = 129;
const FIRST_MOOD = 'fresh';
/** A member that leaves says so and ends within a second; one that does not is ended. */
const LEAVE_MS = 3000;

/**
 * Makes the three, none of them running yet.
 *
 * @returns an EventEmitter: `changed` after anything worth a new picture, `log` with a line for people.
 */
export function createMembers() {
  const key = randomBytes(32).toString('hex');
  const out = new EventEmitter();
  const members = NAMES.map((name, i) => ({
    number: i + 1,
    name,
    id: randomUUID(),
    /** stopped, starting, running */
    phase: 'stopped',
    child: undefined,
    address: '',
    mood: '',
    /** What this member believes: id of another member -> state. */
    beliefs: new Map(),
    /** The moods of the others, as it knows them. */
    moods: new Map(),
    heard: [],
  }));
  const nameOf = (id) => members.find((member) => member.id === id)?.name ?? id;
  const running = () => members.filter(({ phase }) => phase === 'running');
  let broadcasts = 0;

  const log = (text) => {
    out.emit('log', text);
    out.emit('changed');
  };

  function take(member, event) {
    switch (event.event) {
      case 'started':
        member.phase = 'running';
        member.address = event.address;
        log(`${member.name} is up, process ${member.child.pid}, at ${event.address}`);
        join(member);
        break;
      case 'member': {
        member.beliefs.set(event.id, event.state);
        log(beliefText(member.name, nameOf(event.id), event.state, event.previous));
        break;
      }
      case 'metadata': {
        const { mood } = event.metadata;
        if (mood !== member.moods.get(event.id)) log(`${member.name} sees that ${nameOf(event.id)} is ${mood}`);
        member.moods.set(event.id, mood);
        break;
      }
      case 'message':
        member.heard.push(event.data);
        log(`${member.name} hears ${nameOf(event.from)}: "${event.data}"`);
        break;
      case 'error':
        log(`${member.name}: ${event.message}`);
        break;
    }
  }

  const send = (member, command) => member.child.stdin.write(`${JSON.stringify(command)}\n`);

  /** One address of the cluster is enough to become a member of it; the first of all has nobody to join. */
  function join(member) {
    const addresses = running().flatMap((other) => (other === member ? [] : [other.address]));
    if (addresses.length > 0) send(member, { cmd: 'join', addresses });
  }

  /** Starts a member. Its id stays the same, so that the others know it again. */
  function start(member) {
    const settings = ['--preset', 'local', '--cipher', 'aes-gcm', '--key', key, '--compressor', 'snappy'];
    const about = ['--meta', `name=${member.name}`, '--meta', `mood=${FIRST_MOOD}`];
    const args = [COMMAND, 'member', '--json', '--bind', '127.0.0.1:0', '--id', member.id, ...settings, ...about];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    Object.assign(member, { child, phase: 'starting', mood: FIRST_MOOD, heard: [] });
    member.beliefs.clear();
    member.moods = new Map(members.map(({ id }) => [id, FIRST_MOOD]));
    let trouble = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      trouble = text.trim().split('\n').at(-1);
    });
    child.stdin.on('error', () => {}); // it has just died
    createInterface({ input: child.stdout }).on('line', (line) => take(member, JSON.parse(line)));
    child.on('error', (error) => log(`${member.name} cannot be started: ${error.message}`));
    member.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        member.phase = 'stopped';
        member.beliefs.clear();
        if (code === 0) log(`${member.name} has left`);
        else if (code) log(`${member.name} ended with ${code}: ${trouble}`);
        else out.emit('changed');
        resolve(signal);
      });
    });
    out.emit('changed');
  }

  return Object.assign(out, {
    all: members,
    running,
    start,
    /** Kills without a word: the others have to find out. */
    kill(member) {
      log(`${member.name} is killed (SIGKILL): it has no time to say goodbye`);
      member.child.kill('SIGKILL');
    },
    broadcast(member) {
      broadcasts++;
      const text = `hello number ${broadcasts}`;
      log(`${member.name} broadcasts "${text}" to everybody`);
      send(member, { cmd: 'broadcast', type: CHAT, data: text });
      return text;
    },
    setMood(member, mood) {
      member.mood = mood;
      log(`${member.name} is ${mood} now: its metadata say so`);
      send(member, { cmd: 'meta', set: { mood } });
    },
    /** Ends all: by the end of their input, which makes them leave, and by force if they do not. */
    async stop() {
      const alive = members.filter(({ phase }) => phase !== 'stopped');
      for (const { child } of alive) child.stdin.end();
      const force = setTimeout(() => {
        for (const { child } of alive) child.kill('SIGKILL');
      }, LEAVE_MS);
      await Promise.all(alive.map(({ ended }) => ended));
      clearTimeout(force);
    },
  });
}

function beliefText(observer, subject, state, previous) {
  switch (state) {
    case 'alive':
      if (previous === 'unknown') return `${observer} learns of ${subject}`;
      return `${observer} sees ${subject} alive again (was ${previous})`;
    case 'suspect':
      return `${observer} suspects ${subject}: no answer, neither directly nor through another`;
    case 'dead':
      return `${observer} takes ${subject} for dead`;
    case 'leaving':
      return `${observer} is told that ${subject} leaves`;
    default:
      return `${observer} has forgotten ${subject}`;
  }
}
