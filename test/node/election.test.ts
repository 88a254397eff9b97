/** An election among processes on real sockets: one is stopped and wakes, one is killed. */
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../free-port.js';
import { endAll, Program } from './program.js';

afterEach(endAll);

/** The first thing that it does when it wakes is to ask whether it leads. */
const MEMBER = `
  import { createCluster } from 'isogossip';
  import { createElection } from 'isogossip/election';
  import { socketTransport } from 'isogossip/transport/socket';
  const [bind, ...others] = process.argv.slice(1);
  const cluster = await createCluster({ transport: socketTransport({ bind }), preset: 'local' });
  cluster.join(others).catch(() => {});
  const election = await createElection(cluster, { name: 'boss', voters: [bind, ...others], leaseMs: 1000 });
  election.on('elected', ({ token }) => console.log('elected', token));
  election.on('lost', ({ token }) => console.log('lost', token));
  process.on('SIGCONT', () => console.log('woke', election.isLeader()));
`;

test('a leader that was stopped wakes without its lease, and one that was killed is replaced', {
  timeout: 90_000,
}, async () => {
  const addresses = await Promise.all([1, 2, 3].map(async () => `127.0.0.1:${await freePort()}`));
  const members = addresses.map((bind) => {
    const others = addresses.filter((other) => other !== bind);
    return new Program(process.execPath, ['--input-type=module', '-e', MEMBER, bind, ...others]);
  });
  /** The next one of some that is elected, and its token. */
  const elected = async (some: readonly Program[], above: number) => {
    const tokenOf = ({ printed }: Program) => Number([...printed.matchAll(/elected (\d+)/g)].at(-1)?.[1] ?? 0);
    await expect
      .poll(() => some.some((member) => tokenOf(member) > above), { timeout: 30_000, interval: 50 })
      .toBe(true);
    const [member] = [...some].sort((a, b) => tokenOf(b) - tokenOf(a)) as [Program];
    return { member, token: tokenOf(member) };
  };
  const first = await elected(members, 0);
  first.member.kill('SIGSTOP');
  const rest = members.filter((member) => member !== first.member);
  const second = await elected(rest, first.token);
  first.member.kill('SIGCONT');
  await first.member.prints(/woke false/);
  await first.member.prints(new RegExp(`lost ${first.token}`));
  expect(first.member.printed).not.toContain('woke true');

  second.member.kill('SIGKILL');
  const third = await elected(
    members.filter((member) => member !== second.member),
    second.token,
  );
  expect(third.token).toBeGreaterThan(second.token);
});
