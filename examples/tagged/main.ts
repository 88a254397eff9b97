// Messages to those with a tag.
import { defineMessage } from 'isogossip';
import { createGroup } from 'isogossip/group';
import { join, start } from '../common/member.ts';
import { terminal } from '../common/terminal.ts';

const tagged = defineMessage<{ from: string; msg: string; tag: string }>(129);

const cluster = await start();
cluster.on(tagged, ({ data }) => console.log(`${data.from} says to ${data.tag}: ${data.msg}`));
terminal(cluster, {
  send: ([tag = '', ...words]) =>
    cluster.broadcast(tagged, { from: cluster.id.slice(-8), msg: words.join(' '), tag }, { tag }),
  nodes([tag]) {
    const group = createGroup(cluster, tag ? { tag } : {});
    for (const { id, address, tags } of group) console.log(`${id.slice(-8)}  ${address}  ${tags.join(', ')}`);
    group.close();
  },
});
await join(cluster);
