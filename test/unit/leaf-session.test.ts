/** Who may be a leaf, as whom, and what a leaf may do: real sessions on sockets in memory, and clients that mean ill. */
import { afterEach, expect, test } from 'vitest';
import type { LeafLimits } from '../../src/admission.js';
import { idOfProof, provableId, uuidV7 } from '../../src/uuid.js';
import type { NativePacket } from '../../src/wire/packet.js';
import { closeAll, gatewayWith, message, Stranger, soon } from './stranger.js';

afterEach(closeAll);

test('authorize decides: yes, no, why not, under which id, later, or by failing', async () => {
  const other = uuidV7();
  const { gateway, member } = await gatewayWith({
    async authorize({ ticket, cookies }) {
      if (ticket === 'sync') return cookies.name === 'Ada';
      await undefined;
      if (ticket === 'id') return { id: other.toUpperCase(), tags: ['named'] };
      if (ticket === 'bad id') return { id: 'me' };
      if (ticket === 'throws') throw new Error('secret reason');
      return ticket === 'yes' ? true : 'buy a ticket';
    },
  });
  const ask = (ticket: string) => {
    const stranger = new Stranger(gateway, { cookie: 'a=b; name=Ada' });
    stranger.attach(uuidV7(), undefined, ticket);
    return stranger;
  };
  const [yes, sync, no, id, bad, failing] = ['yes', 'sync', 'no', 'id', 'bad id', 'throws'].map(ask) as Stranger[];
  await soon(() => expect([yes, sync].every((one) => one?.welcome !== undefined)).toBe(true));
  await soon(() => expect(id?.welcome).toBe(other));
  expect(member.member(other)?.tags).toEqual(['named']);
  await soon(() => expect(no?.bye).toBe('refused: buy a ticket'));
  await soon(() => expect(bad?.bye).toContain('no UUID'));
  await soon(() => expect(failing?.bye).toBe('refused: authorizing failed'));
  await soon(() => expect([no, bad, failing].map((one) => one?.closed)).toEqual([4003, 4003, 4003]));
  expect(member.stats()).toMatchObject({ leavesRefused: 3, authorizeFailed: 1, members: 4 });
});

test('pages of other origins are not let in, programs without one are', async () => {
  const { gateway, member } = await gatewayWith({ origins: ['https://good.example'] });
  const [bad, good, program] = [
    new Stranger(gateway, { origin: 'https://bad.example' }),
    new Stranger(gateway, { origin: 'https://good.example' }),
    new Stranger(gateway),
  ];
  for (const one of [bad, good, program]) one.attach(uuidV7());
  await soon(() => expect(good.welcome !== undefined && program.welcome !== undefined).toBe(true));
  expect(bad.closed).toBe(4003);
  expect(member.stats().foreignOrigins).toBe(1);
});

test('an id in use is taken over by whoever can prove it, and by nobody else', async () => {
  const { gateway, member } = await gatewayWith();
  const { id, proof } = await provableId();
  expect(await idOfProof(proof)).toBe(id);
  const owner = new Stranger(gateway);
  owner.attach(id, proof);
  await soon(() => expect(owner.welcome).toBe(id));
  const [thief, guesser, impostor] = [new Stranger(gateway), new Stranger(gateway), new Stranger(gateway)];
  thief.attach(id);
  guesser.attach(id, new Uint8Array(16));
  impostor.attach(id, proof, '', uuidV7());
  await soon(() => expect([thief, guesser, impostor].map(({ closed }) => closed)).toEqual([4003, 4003, 4003]));
  expect(owner.closed).toBeUndefined();
  const again = new Stranger(gateway);
  again.attach(id, proof);
  await soon(() => expect(again.welcome).toBe(id));
  await soon(() => expect(owner.closed).toBe(4010));
  expect(gateway.leaves).toBe(1);
  const self = new Stranger(gateway);
  self.attach(member.id);
  await soon(() => expect(self.closed).toBe(4003));
});

test('limits of a leaf: types, size, metadata, rate; what is above is counted, and in the end it is expelled', async () => {
  const limits: Partial<LeafLimits> = { types: [128], payloadBytesMax: 100, metadataBytesMax: 50, messagesPerS: 20 };
  const { gateway, member } = await gatewayWith({ limits });
  const id = uuidV7();
  const leaf = new Stranger(gateway);
  leaf.attach(id);
  await soon(() => expect(leaf.welcome).toBe(id));
  leaf.say(message(id, member.id, 101));
  leaf.say(message(id, member.id, 1, 129));
  leaf.say({ ...message(id, member.id, 1, 129), type: 'request' } as NativePacket);
  await soon(() => expect(member.stats()).toMatchObject({ leafOverSize: 1, leafNotAllowed: 2 }));
  await soon(() => expect(leaf.got.some((one) => one.type === 'reply' && one.status === 'refused')).toBe(true));
  expect(member.stats().messagesDelivered).toBeUndefined();
  for (let i = 0; i < 700; i++) leaf.say(message(id, member.id));
  await soon(() => expect(leaf.closed).toBe(4029));
  expect(leaf.bye).toContain('abusive');
  expect(member.stats().leafOverRate).toBeGreaterThan(400);
  expect(member.member(id)?.state).toBe('leaving');
});

test('a policy that throws allows nothing, and is counted', async () => {
  const { gateway, member } = await gatewayWith({
    policy: {
      send() {
        throw new Error('no opinion');
      },
    },
  });
  const id = uuidV7();
  const leaf = new Stranger(gateway);
  leaf.attach(id);
  await soon(() => expect(leaf.welcome).toBe(id));
  leaf.say(message(id, member.id));
  await soon(() => expect(member.stats()).toMatchObject({ policiesFailed: 1, leafNotAllowed: 1 }));
});

test('packets that a leaf may not send are dropped and counted; it stays one member', async () => {
  const { gateway, member } = await gatewayWith();
  const id = uuidV7();
  const leaf = new Stranger(gateway);
  leaf.bytes(new Uint8Array([1, 0, 255]));
  leaf.attach(id);
  leaf.attach(uuidV7());
  await soon(() => expect(leaf.welcome).toBe(id));
  leaf.attach(uuidV7());
  leaf.say(message(member.id, member.id));
  leaf.say({ type: 'news', from: id, news: [] });
  await soon(() => expect(member.stats()).toMatchObject({ leafFramesMalformed: 1, leafPacketsEarly: 1 }));
  await soon(() => expect(member.stats().leafPacketsRefused).toBe(3));
  expect(member.stats().members).toBe(2);
  expect(leaf.closed).toBeUndefined();
});

test('whoever speaks before it is admitted is closed', async () => {
  const { gateway, member } = await gatewayWith();
  const stranger = new Stranger(gateway);
  stranger.say(message(uuidV7(), member.id));
  await soon(() => expect(stranger.closed).toBe(4003));
  expect(member.stats().members).toBe(1);
});

test('whose connection a Firefox closes as going away has left; in other browsers it may be back', async () => {
  const { gateway, member } = await gatewayWith();
  const cases = [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 1001, 'leaving'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 1000, 'suspect'],
    ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36', 1001, 'suspect'],
  ] as const;
  for (const [browser, code, state] of cases) {
    const id = uuidV7();
    const leaf = new Stranger(gateway, { 'user-agent': browser });
    leaf.attach(id);
    await soon(() => expect(leaf.welcome).toBe(id));
    leaf.end(code);
    await soon(() => expect(member.member(id)?.state).toBe(state));
  }
});
