// A message of our own: its number is the same at all members, its type is checked by the compiler.
import { defineMessage } from 'isogossip';
import { join, start } from '../common/member.ts';
import { terminal } from '../common/terminal.ts';

const gossip = defineMessage<{ content: string }>(128);

const cluster = await start();
cluster.on(gossip, ({ data, from }) => console.log(`${from.id} says: ${data.content}`));
terminal(cluster, {
  gossip: (words) => cluster.broadcast(gossip, { content: words.join(' ') }),
});
await join(cluster);
