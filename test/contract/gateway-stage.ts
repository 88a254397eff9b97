/**
 * Where the contract of gateways plays: two gateways of one cluster, and the puppet behind them, a full member that does what
 * leaves tell it. Tickets tell `authorize` what to do. Whoever sets it up says how sockets are accepted.
 */
import { type Authorize, createGateway, type Gateway, type LeafPolicy } from '../../src/gateway.js';
import { type Cluster, type ClusterOptions, createCluster, defineRequest, GossipError } from '../../src/index.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import type { WebSocketListenFunction } from '../../src/transport/websocket.js';
import {
  type Asked,
  asked,
  type Command,
  chat,
  command,
  echo,
  failing,
  type Heard,
  type Outcome,
  plain,
  restart,
  silent,
  sum,
} from './gateway-puppet.js';
import { untilEvent } from './until.js';

/** So that a leaf that is silent is dead well within the contract's deadline, and no busy machine looks like one. */
const PING_MS = 3000;

/** A stage: what the leaves dial, and how it is taken down. */
export interface GatewayStage {
  gateways: [string, string];
  close(): Promise<void>;
}

/**
 * Sets it up.
 * @param listen - accepts for the gateway of a name: each time at the same URL, as it is closed and opened again.
 */
export async function startGatewayStage(
  listen: (name: 'one' | 'two') => WebSocketListenFunction,
): Promise<GatewayStage> {
  const network = createMemoryNetwork();
  const start = (options: Partial<ClusterOptions>) =>
    createCluster({
      transport: network.transport(),
      preset: 'local',
      acceptVersion: (version) => version !== 'old' || 'nothing old here',
      ...options,
    });
  const puppet = await start({ tags: ['server'], metadata: { role: 'puppet' } });
  const one = await start({ metadata: { role: 'one' } });
  const two = await start({ metadata: { role: 'two' } });
  const hidden = await start({ tags: ['hidden'], metadata: { role: 'hidden' } });
  const members = [puppet, one, two, hidden];
  for (const member of members.slice(1)) await member.join(puppet.address);

  const admissions = new Map<string, Asked>();
  const open = (member: Cluster, name: 'one' | 'two') =>
    createGateway(member, {
      listen: listen(name),
      authorize: authorizeFor(admissions),
      origins: '*',
      pingIntervalMs: PING_MS,
    });
  const running = {
    one: { member: one, gateway: await open(one, 'one') },
    two: { member: two, gateway: await open(two, 'two') },
  };
  puppet.on(restart, async ({ data: name }) => {
    const { member, gateway } = running[name];
    await gateway.close();
    running[name].gateway = await open(member, name);
  });
  teach(puppet, admissions, [running.one, running.two]);

  return {
    gateways: [running.one.gateway.url, running.two.gateway.url],
    async close() {
      await Promise.all(members.map((member) => member.close()));
    },
  };
}

/** Sees nobody who is hidden, and sends nothing but commands and messages to one. */
const limited: LeafPolicy = {
  send: (_leaf, { kind, type }) => type === command.type || kind === 'message',
  see: (_leaf, { tags }) => !tags.includes('hidden'),
};

/** A ticket is a word and perhaps a colon and a text. */
function authorizeFor(admissions: Map<string, Asked>): Authorize {
  return async ({ id, ticket, url, protocols }) => {
    admissions.set(id, { ticket, inUrl: url?.searchParams.get('ticket') ?? '', protocols: [...protocols] });
    const [word, text = ''] = ticket.split(':');
    if (word === 'refuse') return text;
    if (word === 'fail') throw new Error(text);
    if (word === 'id') return { id: text, tags: ['named'] };
    return word === 'limited' ? { policy: limited } : true;
  };
}

/** Gives the puppet its habits. */
function teach(
  puppet: Cluster,
  admissions: ReadonlyMap<string, Asked>,
  gateways: readonly { member: Cluster; gateway: Gateway }[],
): void {
  const heard = new Map<string, Heard[]>();
  puppet.on(chat, ({ data: text, from, tag, direct }) => {
    heard.set(from.id, [...(heard.get(from.id) ?? []), { text, tag, direct }]);
  });
  puppet.handle(sum, ({ data }) => data.a + data.b);
  puppet.handle(echo, ({ data }) => data);
  puppet.handle(failing, () => {
    throw new Error('as it was told to');
  });
  puppet.handle(silent, async ({ from }) => {
    await puppet.send(from.id, asked, null, { reliable: true });
    return new Promise<null>(() => {});
  });

  const ask = async (id: string, { type, data, timeoutMs }: Extract<Command, { do: 'ask' }>): Promise<Outcome> => {
    const abort = new AbortController();
    const stop = puppet.on(asked, ({ from }) => from.id === id && abort.abort());
    try {
      const { signal } = abort;
      return { answer: await puppet.request(id, defineRequest(type), data, { timeoutMs, signal }) };
    } catch (error) {
      return { code: error instanceof GossipError ? error.code : String(error) };
    } finally {
      stop();
    }
  };

  puppet.handle(command, async ({ data: what, from: { id } }) => {
    switch (what.do) {
      case 'broadcast':
        puppet.broadcast(chat, what.text, { tag: what.tag ?? '', reliable: true });
        return null;
      case 'send':
        await puppet.send(id, chat, what.text, { reliable: true });
        return null;
      case 'ask':
        return ask(id, what);
      case 'set':
        puppet.setMetadata(what.values);
        return null;
      case 'see': {
        const { state, via, step } = what.like;
        const isLike = (member = puppet.member(what.id)) =>
          member !== undefined &&
          (state === undefined || member.state === state) &&
          (via === undefined || member.via === via) &&
          (step === undefined || member.metadata.step === step);
        await untilEvent([puppet], `the puppet sees ${JSON.stringify(what)}`, isLike);
        return plain(puppet.member(what.id) as never);
      }
      case 'heard': {
        const all = () => heard.get(id) ?? [];
        await untilEvent([puppet], `the puppet hears ${what.count} messages`, () => all().length >= what.count);
        return all();
      }
      case 'admission':
        return admissions.get(id);
      case 'count': {
        const at = gateways.find(({ member }) => member.id === puppet.member(id)?.via);
        return { ...at?.member.stats(), leaves: at?.gateway.leaves };
      }
    }
  });
}
