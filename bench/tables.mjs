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

/** Idle packets and bytes per member and second; ratios are ours ÷ theirs, below 1 is cheaper. */
export function idleTable(rows) {
  const iso = new Map(rows.filter((r) => r.kind === 'isogossip' && !r.error).map((r) => [r.members, r]));
  const body = rows.map((row) => {
    if (row.error) return [row.kind, String(row.members), 'failed:', row.error, '', '', '', ''];
    const own = row.kind === 'isogossip' ? undefined : iso.get(row.members);
    return [
      row.kind,
      String(row.members),
      fixed(row.packets, 2),
      fixed(row.bytes, 1),
      own ? `${fixed(own.bytes / row.bytes, 3)}×` : '–',
      fixed(row.datagrams, 2),
      fixed(row.datagramBytes, 1),
      row.whole && row.changes === 0 ? 'yes' : `no (${row.changes} changes)`,
    ];
  });
  const head = ['cluster', 'N', 'packets/s', 'bytes/s', 'ours ÷ it', 'UDP/s', 'UDP bytes/s', 'idle'];
  const title = 'Idle, sent per member and second (IP packets and bytes, headers included, counted by the kernel)';
  return `${title}\n${table(head, body)}`;
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
