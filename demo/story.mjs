/**
 * The demo without a terminal: the same three members, a fixed story, plain lines, and an end. It waits for what the members
 * report, never for time to pass, and fails if something does not happen.
 */

/** Far above what each step takes, for a busy machine. */
const STEP_MS = 45_000;

/** Tells the story. @param url - of the page. @throws when a step does not come to pass. */
export async function story(members, url) {
  const startedMs = performance.now();
  const say = (text) => console.log(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${text}`);
  const [ada, ben, cleo] = members.all;
  const believes =
    (observer, subject, ...states) =>
    () =>
      states.includes(observer.others.get(subject.id)?.state);
  const all =
    (...conditions) =>
    () =>
      conditions.every((holds) => holds());
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));
  }
  const until = (what, holds) => untilHolds(members, what, holds, interrupted.signal, STEP_MS);

  members.on('log', say);
  try {
    console.log(
      'isogossip: three members in three processes on this machine, encrypted (AES-256-GCM) and compressed (snappy).',
    );
    console.log('Run it on a terminal to see the membership live and to kill members yourself.');
    console.log(`Open ${url} in a browser: the tab becomes a member, and the end waits for it.\n`);
    for (const member of members.all) {
      members.start(member);
      await until(`${member.name} to start`, () => member.phase === 'running');
    }
    const pairs = members.all.flatMap((one) =>
      members.all.filter((other) => other !== one).map((other) => [one, other]),
    );
    const everybody = all(...pairs.map(([one, other]) => believes(one, other, 'alive')));
    await until('everybody to know everybody', everybody);
    console.log('\nEverybody knows everybody.\n');

    const greeting = members.broadcast(ada);
    const heard = (member, text) => () => member.heard.includes(text);
    await until('the broadcast to arrive', all(heard(ben, greeting), heard(cleo, greeting)));

    console.log('');
    members.kill(cleo);
    await until('Cleo to be suspected', all(...[ada, ben].map((one) => believes(one, cleo, 'suspect', 'dead'))));
    console.log('         (a suspect has some seconds to object; a killed one cannot)');
    await until('Cleo to be dead', all(...[ada, ben].map((one) => believes(one, cleo, 'dead'))));
    await until('Cleo to be gone', () => cleo.phase === 'stopped');

    console.log('');
    members.start(cleo);
    await until('Cleo to be back', everybody);
    const again = members.broadcast(cleo);
    await until('the second broadcast to arrive', all(heard(ada, again), heard(ben, again)));
    console.log('\nCleo is back, under the same id, and everybody hears it.');
    const noTabs = () => members.tabs().length === 0;
    if (!noTabs()) {
      console.log(`The end waits until the last tab is closed: ${url}\n`);
      await untilHolds(members, 'the tabs to go', noTabs, interrupted.signal);
    }
    console.log('The end: all leave.\n');
  } finally {
    await members.stop();
    say('nothing is running any more');
  }
}

/** @param timeoutMs - absent: for ever. */
function untilHolds(members, what, holds, signal, timeoutMs) {
  return new Promise((resolve, reject) => {
    const finish = (settle, value) => {
      clearTimeout(timer);
      members.off('changed', look);
      signal.removeEventListener('abort', onAbort);
      settle(value);
    };
    const look = () => holds() && finish(resolve);
    const onAbort = () => finish(reject, signal.reason);
    const late = () => finish(reject, new Error(`waited ${timeoutMs / 1000} s in vain for ${what}`));
    const timer = timeoutMs && setTimeout(late, timeoutMs);
    members.on('changed', look);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else look();
  });
}
