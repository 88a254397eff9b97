import { createCluster, defineRequest, type Member } from 'isogossip';
import { webSocketTransport } from 'isogossip/transport/websocket';

const title = defineRequest<null, string>(130);
const cluster = await createCluster({
  transport: webSocketTransport({ gateways: [`ws://${location.host}/gossip`] }),
  metadata: { name: `bundled ${Math.floor(Math.random() * 1000)}` },
});
cluster.handle(title, () => document.title);

const answers = new Map<string, string>();
async function ask(member: Member) {
  if (member.id === cluster.id || answers.has(member.id)) return;
  answers.set(member.id, '…');
  answers.set(member.id, await cluster.request(member, title, null).catch((error) => error.code));
  show();
}

function show() {
  const rows = cluster.members().map((member) => {
    const row = document.createElement('tr');
    for (const text of [member.metadata.name, member.state, answers.get(member.id) ?? document.title]) {
      row.insertCell().textContent = String(text);
    }
    return row;
  });
  document.querySelector('#members')?.replaceChildren(...rows);
}

const name = document.querySelector<HTMLInputElement>('#name');
if (name) {
  name.value = String(cluster.self.metadata.name);
  name.addEventListener('change', () => cluster.setMetadata({ name: name.value }));
}
show();
for await (const event of cluster.events()) {
  if (event.type === 'joined') void ask(event.member);
  show();
}
