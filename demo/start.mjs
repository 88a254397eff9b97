/** `npm start`: three members and, on a terminal, a live view of them; elsewhere a short story with an end. */

import { live } from './live.mjs';
import { createMembers } from './members.mjs';
import { story } from './story.mjs';

const { stdin, stdout } = process;
const members = createMembers();
try {
  if (stdin.isTTY && stdout.isTTY) await live(members, { stdin, stdout });
  else await story(members);
} catch (error) {
  console.error(`demo: ${error.message}`);
  process.exitCode = 1;
}
