/** The demo's page as a program sees it: what it lets in, what it refuses, and that whoever comes in is a member. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMembers } from '../../demo/members.mjs';
import { chat, howAreYou } from '../../demo/messages.mjs';
import { openPage } from '../../demo/page.mjs';
import { type Cluster, createCluster } from '../../src/index.js';
import { webSocketTransport } from '../../src/transport/websocket.js';

const SEE_MS = 20_000;

const members = createMembers();
const tabs: Cluster[] = [];
let page: Awaited<ReturnType<typeof openPage>>;
let url: URL;
let token: string;

const post = (path: string, headers: Record<string, string> = { authorization: `Bearer ${token}` }) =>
  fetch(new URL(path, url), { method: 'POST', headers });

async function openTab() {
  let response = await post('/visitors');
  // Until the gateways are up.
  while (response.status === 503) response = await post('/visitors');
  const { name, gateways } = (await response.json()) as { name: string; gateways: string[] };
  const tab = await createCluster({
    transport: webSocketTransport({ gateways, ticket: token }),
    metadata: { name, mood: 'curious' },
  });
  tabs.push(tab);
  return { tab, name, gateways };
}

beforeAll(async () => {
  page = await openPage(members);
  url = new URL(page.url);
  token = url.hash.slice(1);
  for (const member of members.all) members.start(member);
}, 30_000);

afterAll(async () => {
  for (const tab of tabs) await tab.leave();
  await members.stop();
  page.close();
}, 30_000);

test('its files come with a policy that lets nothing else in', async () => {
  for (const path of ['/', '/page.js', '/page.css', '/parts.css', '/picture.css', '/icon.svg']) {
    const response = await fetch(new URL(path, url));
    expect(response.status, path).toBe(200);
    expect(response.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self'/,
    );
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  }
  expect((await fetch(new URL('/members.mjs', url), { headers: { authorization: `Bearer ${token}` } })).status).toBe(
    404,
  );
});

test.each([
  ['without a token', () => ({})],
  ['with a wrong token', () => ({ authorization: `Bearer ${'x'.repeat(token.length)}` })],
  ['from another page', () => ({ authorization: `Bearer ${token}`, origin: 'http://evil.example' })],
])('nobody is killed %s', async (_how, headers) => {
  expect((await post('/members/Cleo/kill', headers())).status).toBe(403);
  expect((await post('/visitors', headers())).status).toBe(403);
});

test('a visitor becomes a member at a gateway, is welcomed, and is answered', async () => {
  const { tab, name } = await openTab();
  const welcome = new Promise<{ text: string }>((resolve) => {
    tab.on(chat, ({ data, direct }) => direct && resolve(data));
  });
  expect((await welcome).text).toMatch(new RegExp(`^Welcome, ${name}! I am (Ada|Ben), your gateway`));
  await expect.poll(() => members.tabs().map((one) => one.name), { timeout: SEE_MS }).toContain(name);
  const cleo = members.all[2]?.id as string;
  // On a busy machine the third member may still be on its way in.
  await expect.poll(() => tab.member(cleo)?.state, { timeout: SEE_MS }).toBe('alive');
  const answer = await tab.request(cleo, howAreYou, null);
  expect(answer.text).toMatch(/^fresh; process \d+/);
}, 60_000);

test('two visitors have two names, and gateways in another order', async () => {
  const [one, other] = [await openTab(), await openTab()];
  expect(one.name).not.toBe(other.name);
  expect(one.gateways).toEqual([...other.gateways].reverse());
});

test('a visitor without the ticket is refused by the gateways', async () => {
  const { gateways } = await openTab();
  const stranger = await createCluster({ transport: webSocketTransport({ gateways, ticket: 'guessed' }) });
  tabs.push(stranger);
  await expect(stranger.join()).rejects.toMatchObject({ code: 'ERR_JOIN_REJECTED' });
});

test('a gateway that is killed and started again is at the same address; what makes no sense is refused', async () => {
  const { tab, gateways } = await openTab();
  await tab.join();
  const ada = () => tab.member(members.all[0]?.id as string)?.state;
  await expect.poll(ada, { timeout: SEE_MS }).toBe('alive');
  expect((await post('/members/Ada/start')).status).toBe(409);
  expect((await post('/members/Ada/kill')).status).toBe(204);
  await expect.poll(ada, { timeout: SEE_MS }).toBe('dead');
  expect((await post('/members/Ada/kill')).status).toBe(409);
  expect((await post('/members/Ada/start')).status).toBe(204);
  await expect.poll(ada, { timeout: SEE_MS }).toBe('alive');
  expect([...(await openTab()).gateways].sort()).toEqual([...gateways].sort());
  expect((await post('/members/Eve/kill')).status).toBe(404);
}, 60_000);
