import { assert, test } from 'vitest';
import { parseAddress } from '../../src/transport/address.js';
import { createLookup, type Lookup, orderSrv, type Resolver, type SrvRecord } from '../../src/transport/resolver.js';

const record = (host: string, priority: number, weight: number, port = 1): SrvRecord => ({
  host,
  port,
  priority,
  weight,
});

function fakeResolver(ips: Record<string, string[]>, srv: Record<string, SrvRecord[]> = {}) {
  const asked: string[] = [];
  const answer = async <T>(table: Record<string, T>, name: string): Promise<T> => {
    asked.push(name);
    const found = table[name];
    if (!found) throw new Error('ENOTFOUND');
    return found;
  };
  const resolver: Resolver = {
    lookupIp: (host) => answer(ips, host),
    lookupSrv: (name) => answer(srv, name),
  };
  return { resolver, asked };
}

const find = (lookup: Lookup, text: string) => lookup.endpoints(text, parseAddress(text));
const code = (work: Promise<unknown>) => work.then(() => 'resolved').catch((error) => error.code);

test('SRV records go by priority, then by chance in proportion to their weights', () => {
  const records = [record('c', 20, 0), record('light', 10, 9), record('heavy', 10, 89)];
  assert.deepEqual(
    orderSrv(records, () => 0.05).map(({ host }) => host),
    ['light', 'heavy', 'c'],
  );
  assert.deepEqual(
    orderSrv(records, () => 0.5).map(({ host }) => host),
    ['heavy', 'light', 'c'],
  );
  const first = new Map<string, number>();
  for (let i = 0; i < 1_000; i++) {
    const host = orderSrv(records, () => i / 1_000)[0]?.host ?? '';
    first.set(host, (first.get(host) ?? 0) + 1);
  }
  assert.deepEqual(
    [...first],
    [
      ['light', 100],
      ['heavy', 900],
    ],
  );
  assert.deepEqual(orderSrv([]), []);
});

test('records of weight 0 take turns', () => {
  const records = [record('a', 1, 0), record('b', 1, 0)];
  assert.equal(orderSrv(records, () => 0.1)[0]?.host, 'a');
  assert.equal(orderSrv(records, () => 0.9)[0]?.host, 'b');
});

test('a literal is asked of nobody, a name once for several callers', async () => {
  const { resolver, asked } = fakeResolver({ h: ['fd00::1', '10.0.0.1', 'not an address'] });
  const lookup = createLookup({ resolver });
  assert.deepEqual(await find(lookup, '127.0.0.1:5'), [{ host: '127.0.0.1', port: 5 }]);
  const [one, two] = await Promise.all([find(lookup, 'h:5'), find(lookup, 'h:5')]);
  assert.deepEqual(one, [
    { host: '10.0.0.1', port: 5 },
    { host: 'fd00::1', port: 5 },
  ]);
  assert.deepEqual(one, two);
  assert.deepEqual(asked, ['h']);
});

test('IPv6 comes first when preferred', async () => {
  const { resolver } = fakeResolver({ h: ['10.0.0.1', 'fd00::1', 'fd00::2'] });
  const hosts = (await find(createLookup({ resolver, preferIPv6: true }), 'h:5')).map(({ host }) => host);
  assert.deepEqual(hosts, ['fd00::1', 'fd00::2', '10.0.0.1']);
});

test('the endpoint that worked is tried first; after a failure the name is asked again', async () => {
  const { resolver, asked } = fakeResolver({ h: ['10.0.0.1', '10.0.0.2'] });
  const lookup = createLookup({ resolver });
  const second = (await find(lookup, 'h:5'))[1];
  assert.ok(second);
  lookup.worked('h:5', second);
  assert.deepEqual(
    (await find(lookup, 'h:5')).map(({ host }) => host),
    ['10.0.0.2', '10.0.0.1'],
  );
  assert.deepEqual(asked, ['h']);
  lookup.failed('h:5');
  assert.equal((await find(lookup, 'h:5'))[0]?.host, '10.0.0.1');
  assert.deepEqual(asked, ['h', 'h']);
});

test('a failed lookup is ERR_RESOLVE and is not remembered', async () => {
  const ips: Record<string, string[]> = {};
  const { resolver } = fakeResolver(ips);
  const lookup = createLookup({ resolver });
  assert.equal(await code(find(lookup, 'h:5')), 'ERR_RESOLVE');
  ips.h = ['10.0.0.1'];
  assert.equal((await find(lookup, 'h:5')).length, 1);
  ips.none = [];
  assert.equal(await code(find(lookup, 'none:5')), 'ERR_RESOLVE');
  assert.equal(await code(find(createLookup({}), 'h:5')), 'ERR_RESOLVE');
});

test('SRV names give the endpoints of all their targets that have any', async () => {
  const { resolver, asked } = fakeResolver(
    { b: ['10.0.0.2', 'fd00::2'] },
    {
      s: [
        record('b', 2, 0, 20),
        record('gone', 1, 0, 10),
        { ...record('known', 3, 0, 30), ips: ['10.0.0.3'] },
        record('.', 0, 0, 40),
        record('b', 0, 0, 0),
      ],
      empty: [record('.', 0, 0, 1)],
      gone: [record('gone', 0, 0, 1)],
    },
  );
  const lookup = createLookup({ resolver });
  assert.deepEqual(await find(lookup, 'srv+s'), [
    { host: '10.0.0.2', port: 20 },
    { host: 'fd00::2', port: 20 },
    { host: '10.0.0.3', port: 30 },
  ]);
  assert.equal(asked.filter((name) => name === 'known').length, 0);
  assert.equal(await code(find(lookup, 'srv+empty')), 'ERR_RESOLVE');
  assert.equal(await code(find(lookup, 'srv+gone')), 'ERR_RESOLVE');
});

test('an answer of very many addresses is cut', async () => {
  const { resolver } = fakeResolver({ h: Array.from({ length: 500 }, (_, i) => `10.0.${i >> 8}.${i & 255}`) });
  assert.equal((await find(createLookup({ resolver }), 'h:5')).length, 32);
});
