/** A page as a user writes one: it joins through its gateway, says what is in its URL, and shows what it hears. */
import { createCluster, defineMessage } from 'isogossip';
import { webSocketTransport } from 'isogossip/transport/websocket';

const chat = defineMessage(129);
const words = new URLSearchParams(location.search);

async function main() {
  const cluster = await createCluster({
    transport: webSocketTransport({ gateways: [words.get('gateway') ?? 'ws://127.0.0.1:1/'] }),
  });
  cluster.on(chat, ({ data }) => {
    document.title = `heard ${data}`;
  });
  await cluster.join();
  await cluster.broadcast(chat, words.get('say') ?? 'hello');
}

main().catch((error) => {
  document.title = `failed: ${error}`;
});
