import { afterEach, expect, test } from 'vitest';
import { type Cluster, type ClusterOptions, createCluster, defineMessage, defineRequest } from '../../src/index.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';

const open: Cluster[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((cluster) => cluster.close()));
});

/** Starts members on one memory network and joins them all to the first. */
async function start(count: number, options: Partial<ClusterOptions> = {}): Promise<Cluster[]> {
  const network = createMemoryNetwork();
  const members: Cluster[] = [];
  for (let i = 0; i < count; i++) {
    const member = await createCluster({
      transport: network.transport({ address: `m${i}` }),
      preset: 'local',
      ...options,
    });
    members.push(member);
    open.push(member);
  }
  for (const member of members.slice(1)) await member.join('m0');
  return members;
}

/** Waits until a condition holds, looking again at every membership event of the member. */
async function until(member: Cluster, holds: () => boolean): Promise<void> {
  if (holds()) return;
  for await (const _ of member.events()) if (holds()) return;
}

const chat = defineMessage<{ text: string }>(129);
const add = defineRequest<{ a: number; b: number }, number>(130);

test('a joiner knows everyone and everyone knows the joiner', async () => {
  const members = await start(4);
  for (const member of members) {
    await until(member, () => member.members().filter((m) => m.state === 'alive').length === 4);
    expect(
      member
        .members()
        .map((m) => m.id)
        .sort(),
    ).toEqual(members.map((m) => m.id).sort());
    expect(member.members().every((m) => m.protocol === 'native')).toBe(true);
  }
});

test('a broadcast reaches every other member once, with its sender', async () => {
  const members = await start(5);
  for (const member of members) await until(member, () => member.members().length === 5);
  const heard: string[] = [];
  const all = new Promise<void>((resolve) => {
    for (const member of members) {
      member.on(chat, ({ data, from }) => {
        heard.push(`${data.text} from ${from.id} at ${member.id}`);
        if (heard.length === 4) resolve();
      });
    }
  });
  const [first] = members as [Cluster];
  first.broadcast(chat, { text: 'hello' });
  await all;
  expect(heard.sort()).toEqual(
    members
      .slice(1)
      .map((m) => `hello from ${first.id} at ${m.id}`)
      .sort(),
  );
});

test('a request is answered by its handler, and fails clearly without one', async () => {
  const [a, b] = (await start(2)) as [Cluster, Cluster];
  await expect(a.request(b.id, add, { a: 1, b: 2 })).rejects.toMatchObject({ code: 'ERR_NO_HANDLER' });
  b.handle(add, ({ data }) => data.a + data.b);
  expect(await a.request(b.id, add, { a: 1, b: 2 })).toBe(3);
  expect(await a.request(b.self, add, { a: 2, b: 2 })).toBe(4);
});
