// The figures as tables for people.

function table(head, rows) {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i].length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return [line(head), widths.map((w) => '-'.repeat(w)).join('  '), ...rows.map(line)].join('\n');
}

const whole = (value) => Math.round(value).toLocaleString('en-US');
const fixed = (value, digits) => (value === undefined ? '–' : value.toFixed(digits));

/** Frames a second, ours beside the Go library's. */
export function codecTable(rows) {
  const body = rows.map(({ codec, dialect, go, iso, peer, ratio }) => [
    `${dialect} ${codec}`,
    peer ? go : '–',
    String(iso.frameBytes),
    peer ? String(peer.frameBytes) : '–',
    whole(iso.encode),
    peer ? whole(peer.encode) : '–',
    ratio ? `${fixed(ratio.encode, 2)}×` : '–',
    whole(iso.decode),
    peer ? whole(peer.decode) : '–',
    ratio ? `${fixed(ratio.decode, 2)}×` : '–',
  ]);
  const head = ['ours', 'Go codec', 'bytes', 'Go', 'encode/s', 'Go', 'ratio', 'decode/s', 'Go', 'ratio'];
  return `Frames a second, one core; ratio = ours ÷ Go, above 1 is faster\n${table(head, body)}`;
}

const seconds = (value) => (value === undefined ? '–' : `${fixed(value, value < 1 ? 3 : 1)} s`);
const share = (value) => `${fixed(value * 100, value < 0.9995 ? 1 : 0)} %`;

/** Seconds until a dead member was given up. `capS`: how long was waited. */
export function detectionTable(rows, capS) {
  const body = rows.map((row) => {
    if (row.error) return [row.kind, String(row.members), row.fault, row.error, '', '', ''];
    const all = row.allS === undefined ? `> ${capS} s` : seconds(row.allS);
    return [
      row.kind,
      String(row.members),
      row.fault,
      seconds(row.firstS),
      all,
      row.over > 0 ? `${row.over} of ${row.rounds} > ${capS} s` : seconds(row.worstS),
      String(row.wrong),
    ];
  });
  const head = ['members', 'N', 'fault', 'first knows', 'all know', 'worst round', 'others given up'];
  return `Until a member that was killed (crash) or stopped (freeze) was given up; medians over the rounds\n${table(head, body)}`;
}

/** Broadcasts of 100 bytes, quietly and as fast as they go. */
export function broadcastTable(rows) {
  const body = rows.map((row) => {
    if (row.error) return [row.kind, String(row.members), row.error, '', '', '', '', '', ''];
    const { flood } = row;
    return [
      `${row.kind} ${row.mode}`.trim(),
      String(row.members),
      share(row.share),
      fixed(row.duplicates, 2),
      `${fixed(row.p50Ms, 1)} ms`,
      `${fixed(row.p99Ms, 1)} ms`,
      flood ? whole(flood.perSecond) : '–',
      flood ? share(flood.share) : '–',
    ];
  });
  const head = ['members', 'N', 'delivered', 'duplicates', 'p50', 'p99', 'at most/s', 'of these'];
  return `Broadcasts of 100 B: to whom they came, how often more than once, how soon; and as many as go, at the slowest receiver\n${table(head, body)}`;
}

/** Idle packets, bytes, processor time and memory; ratios are ours ÷ theirs, below 1 is cheaper. */
export function idleTable(rows) {
  const iso = new Map(rows.filter((r) => r.kind === 'isogossip' && !r.error).map((r) => [r.members, r]));
  const body = rows.map((row) => {
    if (row.error) return [row.kind, String(row.members), row.error, '', '', '', '', '', '', ''];
    const own = row.kind === 'isogossip' ? undefined : iso.get(row.members);
    const ratio = (name) => (own ? `${fixed(own[name] / row[name], 3)}×` : '–');
    return [
      row.kind,
      String(row.members),
      fixed(row.packets, 2),
      fixed(row.bytes, 1),
      ratio('bytes'),
      fixed(row.datagramBytes, 1),
      `${fixed(row.cpuMs, 2)} ms`,
      ratio('cpuMs'),
      `${fixed(row.rss / 2 ** 20, 1)} MB`,
      row.downs === 0 ? 'yes' : `no (${row.downs} given up)`,
    ];
  });
  const head = [
    'members',
    'N',
    'packets/s',
    'bytes/s',
    'ours ÷ it',
    'UDP bytes/s',
    'CPU/s',
    'ours ÷ it',
    'memory',
    'idle',
  ];
  const title = 'Idle, sent per member and second (IP packets and bytes, headers included, counted by the kernel)';
  return `${title}\n${table(head, body)}`;
}

/**
 * What one known member costs a real one.
 * @returns for each row that has one before it of the same kind, with fewer others, what each other more has added.
 */
export function perMember(rows) {
  return rows.map((row, i) => {
    const before = rows[i - 1];
    if (!(before?.others < row.others)) return row;
    const each = (name) => (row[name] - before[name]) / (row.others - before.others);
    return { ...row, each: { heap: each('heap'), looked: each('looked'), rss: each('rss') } };
  });
}

/** Memory of one that knows so many others, and what each more than in the line before has added. */
export function memoryTable(rows) {
  if (rows[0].error) return `Memory: ${rows[0].error}`;
  const mega = (value) => `${fixed(value / 2 ** 20, 2)} MB`;
  const bytes = (value) => (value === undefined ? '' : `${whole(value)} B`);
  const body = perMember(rows).map(({ others, metadataBytes, heap, looked, rss, each }) => [
    whole(others),
    `${metadataBytes} B`,
    mega(heap),
    bytes(each?.heap),
    mega(rss),
    bytes(each?.rss),
    mega(looked),
    bytes(each?.looked),
  ]);
  const head = ['others', 'metadata', 'heap', 'each', 'process', 'each', 'heap after members()', 'each'];
  return `Memory of a member that knows others, all well; each = what each more than in the line before adds\n${table(head, body)}`;
}

/** A gateway's cost, in all and for each of its leaves. */
export function leavesTable(rows) {
  const body = rows.map((row) =>
    row.error
      ? [whole(row.leaves), row.error, '', '', '', '', '']
      : [
          whole(row.leaves),
          `${fixed(row.attachS, 1)} s`,
          `${fixed(row.rssPerLeaf / 1024, 1)} kB`,
          `${fixed(row.heapPerLeaf / 1024, 1)} kB`,
          `${fixed(row.cpuShare * 100, 1)} %`,
          `${fixed(row.changeBytes, 0)} B`,
          `${fixed(row.changeCpuMs, 0)} ms`,
        ],
  );
  const head = [
    'idle leaves',
    'all let in after',
    'memory a leaf',
    'heap a leaf',
    'CPU at idle',
    'a change',
    'its CPU',
  ];
  return table(head, body);
}
