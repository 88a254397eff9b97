/** The demo's screen as lines of text: pure, so that it can be looked at without a terminal. */

const LOOKS = {
  alive: { text: '● alive', colour: 32 },
  suspect: { text: '? suspect', colour: 33 },
  dead: { text: '✗ dead', colour: 31 },
  leaving: { text: '↓ leaving', colour: 36 },
};

const LABEL = 10;
const CELL = 12;

/**
 * Draws the whole screen.
 *
 * @param members - of `createMembers()`
 * @param url - of the page
 * @param log - lines of what happened, the newest last
 * @param space - `columns` and `rows` of the terminal, and whether it has `colour`
 */
export function picture({ all: members, tabs }, url, log, { columns, rows, colour }) {
  const paint = (code, text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const bold = (text) => paint(1, text);
  const faint = (text) => paint(2, text);

  const cell = (observer, subject) => {
    if (observer.phase !== 'running') return faint('·'.padEnd(CELL));
    if (observer === subject) return faint('itself'.padEnd(CELL));
    const look = LOOKS[observer.others.get(subject.id)?.state];
    return look ? paint(look.colour, look.text.padEnd(CELL)) : faint('unknown'.padEnd(CELL));
  };
  const about = (member) => {
    if (member.phase === 'stopped') return paint(31, `down; press ${member.number} to restart`);
    if (member.phase === 'starting') return 'starting …';
    return faint(`pid ${member.child.pid}, mood ${member.mood}`);
  };

  const inTabs = tabs().map(
    ({ name, state, gateway }) => `${name} at ${gateway}${state === 'alive' ? '' : ` (${state})`}`,
  );

  const head = [
    `${bold('isogossip')}: three members in three processes on this machine,`,
    'encrypted (AES-256-GCM) and compressed (snappy). Nobody is in charge.',
    '',
    `${bold('Open')} ${paint(36, url)}`,
    `in a browser, or in two: a tab becomes a member. ${inTabs.length > 0 ? bold(`Tabs: ${inTabs.join(', ')}`) : ''}`,
    '',
    `${bold('What each member believes')}  a row is what one member thinks of each column`,
    '',
    `${' '.repeat(LABEL)}${members.map(({ number, name }) => bold(`${number} ${name}`.padEnd(CELL))).join('')}`,
    ...members.map(
      (observer) =>
        bold(`${observer.number} ${observer.name}`.padEnd(LABEL)) +
        members.map((subject) => cell(observer, subject)).join('') +
        about(observer),
    ),
    '',
    `${paint(32, '● alive')}    answers when it is asked`,
    `${paint(33, '? suspect')}  no answer, neither directly nor through another; it may still object`,
    `${paint(31, '✗ dead')}     did not object in time; it is asked now and then whether it is back`,
    '',
    bold('What happened'),
  ];
  const foot = ['', `${keyHelp(bold)}`];
  const room = Math.max(1, rows - head.length - foot.length);
  const recent = log.slice(-room).map((line) => line.slice(0, columns));
  while (recent.length < room) recent.push('');
  // On a low terminal the top goes last: who sees it has started the demo.
  return [...head, ...recent, ...foot].slice(-rows);
}

function keyHelp(bold) {
  const keys = [
    ['1 2 3', 'kill or restart'],
    ['b', 'broadcast'],
    ['m', 'change metadata'],
    ['q', 'quit'],
  ];
  return keys.map(([key, help]) => `${bold(key)} ${help}`).join('   ');
}
