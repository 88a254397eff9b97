// A page in which everybody sees everybody's pointer. Each tab is a member; its name and colour are its metadata.
import { createCluster, defineMessage, type Member } from 'isogossip';
import { createDataGroup } from 'isogossip/group';
import { webSocketTransport } from 'isogossip/transport/websocket';

/** In hundredths of the window. */
interface Place {
  x: number;
  y: number;
}
const moved = defineMessage<Place>(131);

const animals = ['Badger', 'Fox', 'Hare', 'Lynx', 'Otter', 'Owl', 'Stoat', 'Vole'];
const name = `${animals[Math.floor(Math.random() * animals.length)]} ${Math.floor(Math.random() * 1000)}`;
const cluster = await createCluster({
  transport: webSocketTransport({ gateways: [`ws://${location.host}/gossip`] }),
  metadata: { name, colour: `hsl(${Math.floor(Math.random() * 360)} 80% 40%)` },
});

/** A cursor for each member that has a colour, for as long as it is there. */
const cursors = createDataGroup(cluster, {
  where: { colour: '*' },
  create({ metadata }) {
    const cursor = document.createElement('li');
    cursor.style.setProperty('--colour', String(metadata.colour));
    document.querySelector('ul')?.append(cursor);
    return cursor;
  },
  drop: (cursor) => cursor.remove(),
});

function place(member: Member, { x, y }: Place): void {
  const cursor = cursors.get(member);
  if (!cursor) return;
  cursor.style.left = `${x}vw`;
  cursor.style.top = `${y}vh`;
  cursor.textContent = `${member.metadata.name} at ${Math.round(x)}, ${Math.round(y)}`;
}
cluster.on(moved, ({ data, from }) => place(from, data));

/** Where our pointer is, when that has not been told yet: not more often than there are pictures. */
let untold: Place | undefined;
addEventListener('pointermove', ({ clientX, clientY }) => {
  if (!untold) requestAnimationFrame(tell);
  untold = { x: (clientX / innerWidth) * 100, y: (clientY / innerHeight) * 100 };
});
function tell(): void {
  if (!untold) return;
  void cluster.broadcast(moved, untold);
  place(cluster.self, untold);
  untold = undefined;
}

function count(): void {
  const status = document.querySelector('[role=status]');
  if (status) status.textContent = `I am ${name}, one of ${cursors.size}`;
}
cursors.on('entered', count);
cursors.on('left', count);
await cluster.join();
count();
