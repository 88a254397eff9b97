/** What members of the demo say to each other, in processes and in tabs: the kinds of messages, and how they are read. */
import { defineMessage, defineRequest } from 'isogossip';

/** Somebody says something, to all or to one. @type {import('isogossip').MessageType<{ text: string }>} */
export const chat = defineMessage(129);

/** One asks another how it is. @type {import('isogossip').RequestType<null, { text: string }>} */
export const howAreYou = defineRequest(130);

const TEXT_MAX = 200;

/** A text for people out of what came from the network: of one line, not too long, and never anything but text. */
export function textOf(value, otherwise = '') {
  if (typeof value !== 'string') return otherwise;
  const line = value.replace(/\s+/gu, ' ').replace(/\p{C}/gu, '').trim();
  return [...line].slice(0, TEXT_MAX).join('') || otherwise;
}
