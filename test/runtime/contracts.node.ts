/**
 * The program that Node, Deno and Bun run, all the same one: every contract, those of `node:` modules included. It writes
 * its report as JSON into the file that its first argument names; the others are gateways.
 */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { createCluster } from '../../src/index.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import type { GatewayKind } from '../contract/gateway.js';
import { startGatewayStage } from '../contract/gateway-stage.js';
import { httpKind, nodeCipherKinds, socketKind, webSocketKind } from '../contract/kinds.node.js';
import { runContracts } from './contracts.js';
import { bunServer, denoServer } from './own-servers.js';

const { bun, deno, node } = process.versions;
const [, , reportPath, one, two] = process.argv as [string, string, string, string, string];
const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`;
const ownServer = bun ? bunServer : deno ? denoServer : undefined;
const ownKinds = ownServer
  ? [{ ...webSocketKind, name: 'websocket, own server', create: () => webSocketTransport({ listen: ownServer() }) }]
  : [];
const leaf = {
  name: 'websocket',
  gateways: [one, two],
  start: (dial, options) => createCluster({ transport: webSocketTransport(dial), ...options }),
} satisfies GatewayKind;
const leaves: GatewayKind[] = [leaf];
if (ownServer) {
  const servers = { one: ownServer(), two: ownServer() };
  const { gateways } = await startGatewayStage((name) => servers[name]);
  leaves.push({ ...leaf, name: 'websocket, own server', gateways });
}
const report = await runContracts(runtime, {
  // Deno takes the build on WebCrypto, by an export condition: its node:crypto has no AES-192-GCM.
  ciphers: deno ? [] : nodeCipherKinds,
  transports: [socketKind, httpKind, webSocketKind, ...ownKinds],
  leaves,
  watch: (uncaught) => void process.on('unhandledRejection', uncaught).on('uncaughtException', uncaught),
});
writeFileSync(reportPath, JSON.stringify(report));
// A runtime whose sockets outlive their closing is told by the suites, not by a program that does not end.
process.exit();
