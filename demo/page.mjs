/**
 * The demo's page on a port of the loopback: its files, and the few things that a page cannot do by the cluster: learn where
 * the gateways are, kill a member, start it again. For those it must come from here and show the token that stands behind
 * the `#` of the URL, which a browser sends to nobody.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const FOLDER = fileURLToPath(new URL('page/', import.meta.url));
const STYLES = ['page.css', 'parts.css', 'picture.css'];
/** A visitor of each name in turn. */
const VISITORS = 'Fox Heron Otter Lynx Wren Hare Newt Robin Badger Ibis Seal Finch Marten Swift Toad Crane'.split(' ');
const COLOURS = ['peach', 'rose', 'lilac', 'mint', 'sky', 'lemon'];

const SAFETY = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self' ws://127.0.0.1:*",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/**
 * Serves the page, and tells the members whom to let in.
 *
 * @returns the `url` for people, and `close()`.
 */
export async function openPage(members) {
  const token = randomBytes(12).toString('base64url');
  const files = new Map([
    ['/', ['text/html; charset=utf-8', readFileSync(`${FOLDER}index.html`)]],
    ...STYLES.map((name) => [`/${name}`, ['text/css', readFileSync(`${FOLDER}${name}`)]]),
    ['/icon.svg', ['image/svg+xml', readFileSync(`${FOLDER}icon.svg`)]],
    ['/page.js', ['text/javascript', bundle()]],
  ]);
  const server = createServer((request, response) => {
    const answer = (status, type = 'text/plain', body = '') => {
      response.writeHead(status, { ...SAFETY, 'content-type': type }).end(body);
    };
    const { method, url, headers } = request;
    const file = method === 'GET' && files.get(url);
    // A name that somebody has pointed to this machine is not ours.
    if (headers.host !== new URL(origin).host) answer(421);
    else if (file) answer(200, ...file);
    else if (!isAllowed(headers)) answer(403);
    else answer(...command(method, url));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${server.address().port}`;
  members.page = { origin, ticket: token };

  const isAllowed = ({ authorization = '', origin: from = origin }) => {
    const [shown, wanted] = [Buffer.from(authorization), Buffer.from(`Bearer ${token}`)];
    return from === origin && shown.length === wanted.length && timingSafeEqual(shown, wanted);
  };

  let visitors = 0;
  const command = (method, url) => {
    const [, what, name, verb] = url.split('/');
    const member = members.all.find((one) => one.name === name);
    if (method === 'POST' && url === '/visitors') {
      const gateways = members.all.flatMap(({ gateway }) => (gateway ? [gateway.url] : []));
      if (gateways.includes(undefined)) return [503]; // they are about to start
      const n = visitors++;
      // Visitors spread, each with the other gateway for bad times.
      const at = n % gateways.length;
      const roster = members.all.map(({ id, name, gateway }) => ({ id, name, gateway: gateway !== undefined }));
      const welcome = {
        name: VISITORS[n % VISITORS.length],
        colour: COLOURS[n % COLOURS.length],
        gateways: [...gateways.slice(at), ...gateways.slice(0, at)],
        members: roster,
      };
      return [200, 'application/json', JSON.stringify(welcome)];
    }
    if (method !== 'POST' || what !== 'members' || !member) return [404];
    if (verb === 'kill') {
      if (member.phase !== 'running') return [409];
      members.kill(member);
      return [204];
    }
    if (verb === 'start') {
      if (member.phase !== 'stopped') return [409];
      members.start(member);
      return [204];
    }
    return [404];
  };

  return {
    url: `${origin}/#${token}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The page's code with the isogossip for browsers, as any bundler would make it; some 100 ms. */
function bundle() {
  const { outputFiles } = buildSync({
    entryPoints: [`${FOLDER}main.ts`],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0].contents;
}
