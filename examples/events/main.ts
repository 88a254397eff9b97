// Tells of everything that happens to the membership.
import { join, start } from '../common/member.ts';
import { terminal } from '../common/terminal.ts';

const cluster = await start({ metadata: { dc: 'development', intValue: 42 } });
terminal(cluster);
void (async () => {
  for await (const event of cluster.events()) {
    const { id, state, metadata } = event.member;
    if (event.type === 'metadata') console.log(`metadata of ${id} is ${JSON.stringify(metadata)}`);
    else if (event.type !== 'resumed') console.log(`${event.type}: ${id} was ${event.previous}, is ${state}`);
  }
})();
await join(cluster);
