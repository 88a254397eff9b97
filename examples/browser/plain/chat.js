import { createCluster, defineMessage, defineRequest, webSocketTransport } from './isogossip.js';

const element = (id) => document.getElementById(id);
const list = (id, lines) =>
  element(id).replaceChildren(
    ...lines.map((line) => Object.assign(document.createElement('li'), { textContent: line })),
  );

const name = `page ${Math.floor(Math.random() * 1000)}`;
const cluster = await createCluster({
  transport: webSocketTransport({ gateways: [`ws://${location.host}/gossip`] }),
  metadata: { name },
});
const chat = defineMessage(129);
const said = [];
const say = (who, text) => {
  said.push(`${who}: ${text}`);
  list('chat', said.slice(-50));
};
cluster.on(chat, ({ data, from }) => say(from.metadata.name, data));
cluster.handle(defineRequest(130), () => document.title);
element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const { value } = element('text');
  cluster.broadcast(chat, value);
  say(name, value);
  element('text').value = '';
});

const show = () => {
  // At a gateway we are alive, by way of it.
  const { state, via } = cluster.self;
  element('state').textContent = via && state === 'alive' ? `I am ${name}` : 'looking for a gateway …';
  list(
    'members',
    cluster.members().map(({ metadata, state }) => `${metadata.name}: ${state}`),
  );
};
show();
for await (const _ of cluster.events()) show();
