/**
 * The interface for people: a line for each thing that happens and, on a terminal, a table of the members below them that
 * is redrawn in place.
 */
import type { WriteStream } from 'node:tty';
import type { Cluster } from '../index.js';
import { createStderrLogger, type Front, flushed, onMemberChange, printable } from './front.js';
import { aboutText, renderTable, stateText } from './table.js';
import { toJson } from './values.js';

/** Changes come in bursts; the eye needs no more. */
const REDRAW_MS = 50;

/** Makes the interface on standard output. Without a terminal, log lines go to `errors`. */
export function createPersonFront(output: WriteStream, errors: NodeJS.WritableStream): Front {
  const live = output.isTTY === true;
  const colour = live && output.hasColors();
  let cluster: Cluster | undefined;
  let drawn = 0;
  let timer: NodeJS.Timeout | undefined;

  const erase = () => (drawn > 0 ? `\u001b[${drawn}A\r\u001b[J` : '');
  const table = () => {
    if (!cluster) return '';
    // A terminal that does not know its size says 0.
    const space = { columns: output.columns || 80, rows: Math.max(4, (output.rows || 24) - 3), colour };
    const lines = [...renderTable(cluster.members(), cluster.id, space), 'Ctrl-C leaves'];
    drawn = lines.length + 1;
    return `\n${lines.join('\n')}\n`;
  };
  const redraw = () => {
    timer = undefined;
    output.write(erase() + table());
  };
  const changed = () => {
    if (live) timer ??= setTimeout(redraw, REDRAW_MS);
  };
  const print = (text: string) => {
    const time = new Date().toTimeString().slice(0, 8);
    const line = `${time}  ${text}\n`;
    if (!live) output.write(line);
    else output.write(erase() + line + table());
  };

  return {
    logger: createStderrLogger((line) => {
      if (live) print(printable(line));
      else errors.write(`${printable(line)}\n`);
    }),
    attach(running, stop, gateway) {
      cluster = running;
      print(`started   ${running.id} at ${running.address}`);
      if (gateway !== undefined) print(`leaves    at ${gateway}`);
      onMemberChange(running, (member, previous) => {
        const about = aboutText(member);
        const was = previous === 'unknown' ? 'new' : `was ${previous}`;
        print(
          `${stateText(member.state, colour)} ${member.id} at ${printable(member.address)} (${was})${about && ` ${about}`}`,
        );
      });
      running.on('metadata', ({ member }) => {
        if (member.id !== running.id) print(`metadata  ${member.id} ${aboutText(member)}`);
        changed();
      });
      if (live) output.on('resize', redraw);
      output.on('error', stop);
    },
    message({ type, from, data, tag }) {
      const text = JSON.stringify(toJson(data ?? null));
      const short = text.length > 200 ? `${text.slice(0, 200)}… (${text.length} characters)` : text;
      print(printable(`message   ${from.id} type ${type}${tag && ` #${tag}`}: ${short}`));
    },
    joinFailed({ code, message }) {
      const next = code === 'ERR_JOIN_REJECTED' ? '' : '; it is tried again and again';
      print(printable(`not joined: ${message}${next}`));
    },
    async stopped() {
      clearTimeout(timer);
      if (live) output.write(erase());
      drawn = 0;
      cluster = undefined;
      print('stopped');
      await flushed(output);
    },
  };
}
