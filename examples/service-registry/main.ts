// A service that others find by what it offers, and that finds them: the same program in Node, Deno and Bun. No registry runs anywhere.
import { setTimeout } from 'node:timers/promises';
import { defineRequest } from 'isogossip';
import { createGroup } from 'isogossip/group';
import { join, start } from '../common/member.ts';
import { terminal } from '../common/terminal.ts';

const runtime = 'Deno' in globalThis ? 'Deno' : 'Bun' in globalThis ? 'Bun' : 'Node';
const thumbnail = defineRequest<{ image: string }, { image: string; by: string }>(130);

const cluster = await start({ metadata: { offers: 'thumbnails', runtime } });
cluster.handle(thumbnail, ({ data }) => ({ image: `small-${data.image}`, by: runtime }));

const services = createGroup(cluster, { where: { offers: 'thumbnails' } });
services.on('entered', ({ member }) => console.log(`${member.metadata.runtime} offers ${member.metadata.offers}`));
services.on('left', ({ member }) => console.log(`${member.metadata.runtime} is ${member.state}`));

/** Asks any other that offers it; whoever dies meanwhile is passed over. */
const call = (image: string) => services.requestAny(thumbnail, { image }, { timeoutMs: 1000 });

/** Calls for so many seconds, 16 at a time, and counts who has answered. */
async function load(seconds: number): Promise<void> {
  const endMs = Date.now() + seconds * 1000;
  const answers: Record<string, number> = {};
  let failed = 0;
  const caller = async () => {
    while (Date.now() < endMs) {
      try {
        const { by } = await call('fox.png');
        answers[by] = (answers[by] ?? 0) + 1;
      } catch {
        failed++;
        await setTimeout(10);
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, caller));
  console.log(`${JSON.stringify(answers)}, ${failed} failed, ${services.stats().askedAgain} asked again`);
}

terminal(cluster, {
  async call([name = 'fox.png']) {
    const { image, by } = await call(name);
    console.log(`${image} by ${by}`);
  },
  load: ([seconds = '5']) => load(Number(seconds)),
});
await join(cluster);
