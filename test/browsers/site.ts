/**
 * A site on loopback whose pages have the agent, a place for WebSockets beside it, and the browsers that visit it.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { type Browser, chromium, firefox, type Page } from 'playwright';
import type { Agent } from './agent.js';

declare global {
  var agent: Agent;
}

/** What the members of other runtimes import, a page gets as leaf. */
const asInPages: Plugin = {
  name: 'as in pages',
  setup({ onResolve }) {
    const browser = fileURLToPath(new URL('../../src/index.browser.ts', import.meta.url));
    onResolve({ filter: /\/src\/index\.js$/ }, () => ({ path: browser }));
  },
};

/** Debian's, and what keeps it off the network. */
export const CHROMIUM = '/usr/bin/chromium';
export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost',
];

/** Debian's browsers, kept off the network. */
export const browsers: Record<'chromium' | 'firefox', () => Promise<Browser>> = {
  chromium: () =>
    chromium.launch({
      executablePath: CHROMIUM,
      args: CHROMIUM_ARGS,
    }),
  firefox: () =>
    firefox.launch({
      channel: 'moz-firefox',
      executablePath: '/usr/bin/firefox-esr',
      env: { ...process.env, MOZ_REMOTE_SETTINGS_DEVTOOLS: '1' } as Record<string, string>,
      firefoxUserPrefs: { 'services.settings.server': 'data:,#remote-settings-dummy/v1' },
    }),
};

interface Site {
  server: Server;
  url: string;
  close(): void;
}

/** A site that serves the agent to pages and workers. */
export function openSite(): Promise<Site> {
  return serve(
    new URL('agent.ts', import.meta.url),
    'iife',
    '<!doctype html><title>tab</title><script src="/agent.js"></script>',
  );
}

/**
 * A site with one page.
 * @param body - what is there beside `#state`, in which the page says how it is.
 */
export function openPageSite(module: URL, body = ''): Promise<Site> {
  const html = `<!doctype html><title>page</title><script type="module" src="/page.js"></script>${body}
    <div role="status" id="state">not yet</div>`;
  return serve(module, 'esm', html);
}

async function serve(program: URL, format: 'iife' | 'esm', html: string): Promise<Site> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(program)],
    bundle: true,
    format,
    platform: 'browser',
    target: 'es2022',
    write: false,
    plugins: [asInPages],
  });
  const script = outputFiles[0]?.text ?? '';
  const server = createServer(({ url }, response) => {
    const wanted = url?.endsWith('.js');
    response.setHeader('content-type', wanted ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(wanted ? script : html);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server,
    url: `http://127.0.0.1:${port}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Runs something with a page's agent. */
export const ask = <A extends unknown[], R>(page: Page, name: keyof Agent, ...args: A): Promise<R> =>
  page.evaluate(([name, args]) => (globalThis.agent[name] as (...args: unknown[]) => unknown)(...args), [
    name,
    args,
  ] as const) as Promise<R>;
