/**
 * Every runtime in which the contracts run, in the order of the matrix. `run(bundles, { name, deadlineMs, gateways })` answers with
 * the runtime's report, or rejects with the reason why there is none.
 */
import { chromium, firefox, webkit } from './browsers.mjs';
import { bun, deno, otherNode, ownNode } from './processes.mjs';
import { workerd } from './workerd.mjs';

export const runtimes = [
  { name: 'node20', title: 'Node 20', from: 'npm', run: ownNode },
  { name: 'node22', title: 'Node 22', from: 'npm', run: otherNode('node22') },
  { name: 'node24', title: 'Node 24', from: 'npm', run: otherNode('node24') },
  { name: 'node26', title: 'Node 26', from: 'npm', run: otherNode('node26') },
  { name: 'deno', title: 'Deno', from: 'npm', run: deno },
  { name: 'bun', title: 'Bun', from: 'npm', run: bun },
  { name: 'workerd', title: 'workerd', from: 'npm', run: workerd },
  { name: 'chromium', title: 'Chromium', from: 'apt', run: chromium },
  { name: 'firefox', title: 'Firefox', from: 'apt', run: firefox },
  { name: 'webkit', title: 'WebKit', from: 'apt', run: webkit },
];
