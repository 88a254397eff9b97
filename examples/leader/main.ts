// One of several leads, and another one when it is gone.
import { createElection } from 'isogossip/election';
import { followGoLeader } from 'isogossip/election/go';
import { join, peers, start } from '../common/member.ts';
import { terminal } from '../common/terminal.ts';

const cluster = await start();
const election = await createElection(cluster, { name: 'example', voters: peers });
election.on('elected', ({ token }) => console.log(`I lead, with token ${token}`));
election.on('lost', ({ token }) => console.log(`I lead no more with token ${token}`));
election.on('changed', ({ leader }) => console.log(leader ? `${leader.name} leads` : 'nobody leads'));

// Go peers elect by rules of their own, among those with this metadata: we see whom they follow.
const go = followGoLeader(cluster, { eligible: ({ metadata }) => metadata.dc === 'development' });
go.on('changed', ({ leader }) => console.log(`Go peers follow ${leader?.member.id ?? 'nobody'}`));

const commands = {
  leader: () => console.log(`${election.leader?.name ?? 'nobody'} leads`),
  resign: () => election.resign(),
};
terminal(cluster, commands, async () => {
  go.close();
  await election.close();
});
await join(cluster);
