// A member that you drive by commands: who is there, and what they say of themselves.
import { join, start } from '../common/member.ts';
import { terminal } from '../common/terminal.ts';

const cluster = await start();
terminal(cluster);
await join(cluster);
