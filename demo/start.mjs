/** `npm start`: three members, a page, and on a terminal a live view of them; elsewhere a short story with an end. */

import { live } from './live.mjs';
import { createMembers } from './members.mjs';
import { openPage } from './page.mjs';
import { story } from './story.mjs';

const { stdin, stdout } = process;
const members = createMembers();
const page = await openPage(members);
try {
  if (stdin.isTTY && stdout.isTTY) await live(members, page.url, { stdin, stdout });
  else await story(members, page.url);
} catch (error) {
  console.error(`demo: ${error.message}`);
  process.exitCode = 1;
} finally {
  page.close();
}
