/**
 * A leaf as a process: what `isogossip member --json` is for full members, with gateways' URLs as arguments. Options:
 * `--gateway URL`, and `--id`, `--tag`, `--meta` and `--echo` as the command's. The harness bundles it.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { createJsonFront } from '../../src/cli/json-lines.js';
import { createCluster, defineRequest } from '../../src/index.js';
import { webSocketTransport } from '../../src/transport/websocket.js';

const many = { type: 'string', multiple: true } as const;
const { values } = parseArgs({
  options: { gateway: many, tag: many, meta: many, echo: many, id: { type: 'string' } },
});
const { gateway = [], tag = [], meta = [], echo = [], id } = values;

const front = createJsonFront({ input: process.stdin, output: process.stdout, errors: process.stderr });
const cluster = await createCluster({
  transport: webSocketTransport({ gateways: gateway }),
  tags: tag,
  metadata: Object.fromEntries(meta.map((pair) => pair.split('=') as [string, string])),
  logger: front.logger,
  ...(id !== undefined && { id }),
});
cluster.on('message', (message) => front.message(message));
for (const type of echo.map(Number)) {
  cluster.handle(defineRequest(type), ({ data, from }) => {
    front.message({ type, data, from, tag: '' });
    return data;
  });
}
await new Promise<void>((resolve) => front.attach(cluster, resolve));
await cluster.leave();
await front.stopped();
process.exit(0);
