/** The demo on a terminal: a picture that is redrawn in place, and keys. */
import { picture } from './picture.mjs';

/** Changes come in bursts; the eye needs no more. */
const REDRAW_MS = 40;
const LOG_MAX = 200;
const MOODS = ['curious', 'sleepy', 'brave', 'hungry', 'calm', 'silly'];

const oneOf = (list) => list[Math.floor(Math.random() * list.length)];

/** Runs until `q`, Ctrl-C or a signal; then the terminal is as it was, and nothing runs any more. */
export async function live(members, url, { stdin, stdout }) {
  const log = [];
  const startedMs = performance.now();
  let timer;
  let quit = () => {};
  const quitting = new Promise((resolve) => {
    quit = resolve;
  });

  const draw = () => {
    timer = undefined;
    const space = { columns: stdout.columns || 80, rows: stdout.rows || 24, colour: stdout.hasColors() };
    const lines = picture(members, url, log, space);
    stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J`);
  };
  const changed = () => {
    timer ??= setTimeout(draw, REDRAW_MS);
  };
  const restore = () => {
    clearTimeout(timer);
    timer = -1;
    stdout.write('\u001b[?7h\u001b[?25h\u001b[?1049l');
  };

  members.on('changed', changed);
  members.on('log', (text) => {
    log.push(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${text}`);
    if (log.length > LOG_MAX) log.shift();
  });
  stdout.on('resize', changed);
  // Another screen without cursor and without wrapped lines, given back in any case.
  stdout.write('\u001b[?1049h\u001b[?25l\u001b[?7l');
  process.on('exit', restore);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, quit);

  const mood = new Map();
  const keys = (text) => {
    for (const key of text) {
      const running = members.running();
      const member = members.all[Number(key) - 1];
      if (key === 'q' || key === '\u0003' || key === '\u0004') quit();
      else if (member?.phase === 'running') members.kill(member);
      else if (member?.phase === 'stopped') members.start(member);
      else if (running.length === 0) continue;
      else if (key === 'b') members.broadcast(oneOf(running));
      else if (key === 'm') {
        const who = oneOf(running);
        const next = oneOf(MOODS.filter((one) => one !== mood.get(who)));
        mood.set(who, next);
        members.setMood(who, next);
      }
    }
  };
  stdin.setRawMode(true);
  stdin.setEncoding('utf8').on('data', keys);
  stdin.on('end', quit);

  for (const member of members.all) {
    members.start(member);
    await Promise.race([quitting, startedOrEnded(members, member)]);
  }
  await quitting;
  stdin.off('data', keys);
  members.off('changed', changed);
  await members.stop();
  process.off('exit', restore);
  stdin.setRawMode(false);
  stdin.pause();
  restore();
  console.log('All members have left; nothing is running any more.');
}

function startedOrEnded(members, member) {
  return new Promise((resolve) => {
    const look = () => {
      if (member.phase === 'starting') return;
      members.off('changed', look);
      resolve();
    };
    members.on('changed', look);
    look();
  });
}
