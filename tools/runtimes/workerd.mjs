/** workerd, through Miniflare: the bundle is a worker with one Durable Object, which is asked to run the contracts. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Miniflare } from 'miniflare';

/** As late as the pinned workerd allows, so that what it does today is what is tested. */
const COMPATIBILITY_DATE = '2026-04-26';

export async function workerd(bundles, { deadlineMs, gateways }) {
  const worker = new Miniflare({
    modules: [{ type: 'ESModule', path: 'worker.mjs', contents: await readFile(bundles.web, 'utf8') }],
    durableObjects: { CONTRACTS: 'Contracts' },
    compatibilityDate: COMPATIBILITY_DATE,
    // Nothing is fetched from anywhere.
    cf: false,
    host: '127.0.0.1',
    port: 0,
  });
  try {
    const url = new URL('/run', await worker.ready);
    url.searchParams.set('runtime', `workerd ${createRequire(import.meta.url)('workerd/package.json').version}`);
    for (const gateway of gateways) url.searchParams.append('gateway', gateway);
    const response = await fetch(url, { signal: AbortSignal.timeout(deadlineMs) });
    const body = await response.text();
    if (!response.ok) throw new Error(`the worker answered ${response.status}: ${body.slice(0, 2_000)}`);
    return JSON.parse(body);
  } finally {
    await worker.dispose();
  }
}
