/** The membership as a table for people: pure text, so that it can be tested without a terminal. */
import type { Member } from '../index.js';
import { printable } from './front.js';
import { toJson } from './values.js';

/** How each state looks: a sign, so that it reads without colour too, and a colour of the basic sixteen. */
const LOOKS: Record<Member['state'], { sign: string; colour: number }> = {
  alive: { sign: '●', colour: 32 },
  suspect: { sign: '?', colour: 33 },
  dead: { sign: '✗', colour: 31 },
  leaving: { sign: '↓', colour: 36 },
  removed: { sign: '-', colour: 90 },
};

/** What a table has to fit. */
export interface TableSpace {
  columns: number;
  /** Most lines, the head included. */
  rows: number;
  colour: boolean;
}

/** A state with its sign, as wide as the widest. */
export function stateText(state: Member['state'], colour: boolean): string {
  const look = LOOKS[state];
  const text = `${look.sign} ${state}`.padEnd(9);
  return colour ? `\u001b[${look.colour}m${text}\u001b[0m` : text;
}

/** Lays out one line per member, ourselves first, then by state and address; each cut to the width. */
export function renderTable(members: readonly Member[], selfId: string, space: TableSpace): string[] {
  const order = ['alive', 'suspect', 'leaving', 'dead', 'removed'];
  const sorted = [...members].sort(
    (a, b) =>
      Number(b.id === selfId) - Number(a.id === selfId) ||
      order.indexOf(a.state) - order.indexOf(b.state) ||
      (a.address < b.address ? -1 : 1),
  );
  const shown = sorted.slice(0, Math.max(1, sorted.length > space.rows - 2 ? space.rows - 3 : space.rows - 2));
  const addressWidth = Math.min(40, Math.max(7, ...shown.map(({ address }) => address.length)));
  const alive = members.filter(({ state }) => state === 'alive').length;
  const lines = [
    `${members.length} ${members.length === 1 ? 'member' : 'members'}, ${alive} alive`,
    `  ${'STATE'.padEnd(9)}  ${'ADDRESS'.padEnd(addressWidth)}  ${'ID'.padEnd(36)}  SPEAKS  TAGS, METADATA`,
  ].map((line) => cut(line, space.columns));
  for (const member of shown) {
    const address = cut(printable(member.address), addressWidth).padEnd(addressWidth);
    const rest = `  ${address}  ${member.id}  ${member.protocol.padEnd(6)}  ${aboutText(member)}`;
    const us = member.id === selfId ? '▸' : ' ';
    lines.push(`${us} ${stateText(member.state, space.colour)}${cut(rest, Math.max(0, space.columns - 11))}`);
  }
  if (shown.length < sorted.length) lines.push(`  … and ${sorted.length - shown.length} more`);
  return lines;
}

/** Tags and metadata in a few words. */
export function aboutText({ tags, metadata }: Pick<Member, 'tags' | 'metadata'>): string {
  const values = Object.entries(metadata).map(([key, value]) => `${key}=${JSON.stringify(toJson(value))}`);
  return printable([...tags.map((tag) => `#${tag}`), ...values].join(' '));
}

/** Cuts a text without colours to a number of characters, with a sign that something is missing. */
function cut(text: string, width: number): string {
  const characters = Array.from(text);
  if (characters.length <= width) return text;
  return width < 1 ? '' : `${characters.slice(0, width - 1).join('')}…`;
}
