/**
 * The demo's three members: each is a process of its own, `member.mjs`, and what it tells is what it believes about the
 * others. They talk to each other only through the cluster; the demo just listens and gives commands.
 */
import { fork } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { fileURLToPath } from 'node:url';

const MEMBER = fileURLToPath(new URL('member.mjs', import.meta.url));
const NAMES = ['Ada', 'Ben', 'Cleo'];
const COLOURS = ['sky', 'mint', 'lemon'];
/** As many are gateways, so that a tab can go from one to the other. */
const GATEWAYS = 2;
const FIRST_MOOD = 'fresh';
/** A member that leaves says so and ends within a second; one that does not is ended. */
const LEAVE_MS = 3000;

/**
 * Makes the three, none of them running yet.
 *
 * @returns an EventEmitter: `changed` after anything worth a new picture, `log` with a line for people.
 */
export function createMembers() {
  const key = randomBytes(32);
  const out = new EventEmitter();
  const members = NAMES.map((name, i) => ({
    number: i + 1,
    name,
    id: randomUUID(),
    /** stopped, starting, running */
    phase: 'stopped',
    child: undefined,
    address: '',
    /** What tabs dial, once it is known; the same after a restart, as the tabs keep it. */
    gateway: i < GATEWAYS ? { url: undefined } : undefined,
    mood: '',
    /** What this member believes: id of another member -> its state, name, mood and, for a tab, its gateway. */
    others: new Map(),
    heard: [],
  }));
  const nameOf = (id) => members.find((member) => member.id === id)?.name ?? 'somebody';
  const running = () => members.filter(({ phase }) => phase === 'running');
  let broadcasts = 0;

  const log = (text) => {
    out.emit('log', text);
    out.emit('changed');
  };

  function take(member, { event, member: other, address, url, previous, text, direct }) {
    switch (event) {
      case 'started':
        Object.assign(member, { phase: 'running', address });
        if (member.gateway) member.gateway.url = url;
        log(`${member.name} is up, process ${member.child.pid}, at ${address}`);
        join(member);
        return;
      case 'member':
        if (other.state === 'removed') member.others.delete(other.id);
        else member.others.set(other.id, other);
        log(beliefText(member.name, other, previous, nameOf));
        return;
      case 'metadata': {
        const before = member.others.get(other.id);
        member.others.set(other.id, other);
        if (before && before.name !== other.name) log(`${member.name} sees that ${before.name} is ${other.name} now`);
        if (before && before.mood !== other.mood) log(`${member.name} sees that ${other.name} is ${other.mood}`);
        return;
      }
      case 'message':
        member.heard.push(text);
        log(`${member.name} hears ${other.name}${direct ? ', who tells nobody else' : ''}: "${text}"`);
        return;
      case 'asked':
        log(`${member.name} is asked by ${other.name}`);
        return;
      case 'error':
        log(`${member.name}: ${text}`);
        return;
    }
  }

  const send = (member, command) => member.child.send(command, () => {}); // it may have just died

  /** One address of the cluster is enough to become a member of it; the first of all has nobody to join. */
  function join(member) {
    const addresses = running().flatMap((other) => (other === member ? [] : [other.address]));
    if (addresses.length > 0) send(member, { cmd: 'join', addresses });
  }

  /** Starts a member. Its id stays the same, so that the others know it again. */
  function start(member) {
    const { id, name, number, gateway } = member;
    const child = fork(MEMBER, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'advanced' });
    Object.assign(member, { child, phase: 'starting', mood: FIRST_MOOD, heard: [] });
    member.others.clear();
    let trouble = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      trouble = text.trim().split('\n').at(-1);
    });
    child.on('message', (event) => take(member, event));
    child.on('error', (error) => log(`${name} cannot be started: ${error.message}`));
    member.ended = new Promise((resolve) => {
      child.on('close', (code) => {
        member.phase = 'stopped';
        member.others.clear();
        if (code === 0) log(`${name} has left`);
        else if (code) log(`${name} ended with ${code}: ${trouble}`);
        else out.emit('changed');
        resolve();
      });
    });
    const bind = gateway?.url ? new URL(gateway.url).host : '127.0.0.1:0';
    send(member, {
      id,
      key,
      metadata: { name, mood: FIRST_MOOD, colour: COLOURS[number - 1] },
      ...(gateway && { gateway: { bind, ...out.page } }),
    });
    out.emit('changed');
  }

  return Object.assign(out, {
    all: members,
    /** Whose pages may come to the gateways, and what they show: `origin` and `ticket`. Set before anybody starts. */
    page: { origin: '', ticket: '' },
    running,
    start,
    /** Browser tabs, as one of the members knows them. */
    tabs() {
      const others = [...(running()[0]?.others.values() ?? [])];
      return others
        .filter(({ via, state }) => via && (state === 'alive' || state === 'suspect'))
        .map(({ via, ...tab }) => ({ ...tab, gateway: nameOf(via) }));
    },
    /** Kills without a word: the others have to find out. */
    kill(member) {
      log(`${member.name} is killed (SIGKILL): it has no time to say goodbye`);
      member.child.kill('SIGKILL');
    },
    broadcast(member) {
      broadcasts++;
      const text = `hello number ${broadcasts}`;
      log(`${member.name} broadcasts "${text}" to everybody`);
      send(member, { cmd: 'say', text });
      return text;
    },
    setMood(member, mood) {
      member.mood = mood;
      log(`${member.name} is ${mood} now: its metadata say so`);
      send(member, { cmd: 'mood', mood });
    },
    /** Ends all: they are asked to leave, and made to if they do not. */
    async stop() {
      const alive = members.filter(({ phase }) => phase !== 'stopped');
      for (const member of alive) send(member, { cmd: 'leave' });
      const force = setTimeout(() => {
        for (const { child } of alive) child.kill('SIGKILL');
      }, LEAVE_MS);
      await Promise.all(alive.map(({ ended }) => ended));
      clearTimeout(force);
    },
  });
}

function beliefText(observer, { name, state, via }, previous, nameOf) {
  switch (state) {
    case 'alive':
      if (previous === 'unknown') return `${observer} learns of ${name}${via ? `, a tab at ${nameOf(via)}` : ''}`;
      return `${observer} sees ${name} alive again (was ${previous})`;
    case 'suspect':
      if (via) return `${observer} suspects ${name}: its gateway or its connection is gone`;
      return `${observer} suspects ${name}: no answer, neither directly nor through another`;
    case 'dead':
      return `${observer} takes ${name} for dead`;
    case 'leaving':
      return `${observer} is told that ${name} leaves`;
    default:
      return `${observer} has forgotten ${name}`;
  }
}
