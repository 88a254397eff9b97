import fc from 'fast-check';
import { assert, test } from 'vitest';
import { GossipError } from '../../src/errors.js';
import {
  type Address,
  formatAddress,
  formatHostPort,
  isIp,
  isIpv6,
  isWildcard,
  parseAddress,
  parseBind,
} from '../../src/transport/address.js';
import { tries } from '../effort.js';

const url = (over: Partial<Address>): Address =>
  ({
    kind: 'url',
    scheme: 'https',
    srv: false,
    host: 'h',
    port: undefined,
    path: '/',
    fragment: '',
    ...over,
  }) as Address;

const FORMS: [text: string, address: Address, defaultPort?: number][] = [
  ['127.0.0.1:8000', { kind: 'ip', host: '127.0.0.1', port: 8000 }],
  ['[::1]:8000', { kind: 'ip', host: '::1', port: 8000 }],
  ['[fe80::1%eth0]:8000', { kind: 'ip', host: 'fe80::1%eth0', port: 8000 }],
  ['db.example:8000', { kind: 'name', host: 'db.example', port: 8000 }],
  ['db_1.example.:65535', { kind: 'name', host: 'db_1.example.', port: 65535 }],
  ['localhost', { kind: 'name', host: 'localhost', port: 7000 }, 7000],
  ['10.0.0.1', { kind: 'ip', host: '10.0.0.1', port: 7000 }, 7000],
  ['::1', { kind: 'ip', host: '::1', port: 7000 }, 7000],
  ['[::1]', { kind: 'ip', host: '::1', port: 7000 }, 7000],
  ['srv+_gossip._tcp.example', { kind: 'srv', name: '_gossip._tcp.example' }],
  ['http://h', url({ scheme: 'http' })],
  ['https://h:8443/a/b?c=d', url({ port: 8443, path: '/a/b?c=d' })],
  ['https://[::1]:8443/', url({ host: '::1', port: 8443 })],
  ['srv+https://h/path', url({ srv: true, path: '/path' })],
  ['srv+http://h/path', url({ scheme: 'http', srv: true, path: '/path' })],
  ['ws://h:1/p', url({ scheme: 'ws', port: 1, path: '/p' })],
  ['wss://h/p#0190-x', url({ scheme: 'wss', path: '/p', fragment: '0190-x' })],
];

test('every form is read, and written so that it is read the same again', () => {
  for (const [text, address, defaultPort] of FORMS) {
    const options = defaultPort === undefined ? {} : { defaultPort };
    assert.deepEqual(parseAddress(text, options), address, text);
    assert.deepEqual(parseAddress(formatAddress(address)), address, text);
  }
});

test('a port alone means this machine, as it does for Go peers', () => {
  assert.deepEqual(parseAddress(':8000'), { kind: 'ip', host: '127.0.0.1', port: 8000 } as Address);
  assert.deepEqual(parseAddress('8000'), { kind: 'ip', host: '127.0.0.1', port: 8000 } as Address);
});

test('what cannot be an address is refused with the input quoted', () => {
  const bad: [text: string, says: RegExp][] = [
    ['', /empty/],
    ['db.example', /no port/],
    ['db.example:', /port/],
    ['db.example:0', /port 0/],
    ['db.example:65536', /65535/],
    ['db.example:80a', /port/],
    ['db.example:-1', /port/],
    ['999.0.0.1:80', /neither an IP address nor a DNS name/],
    ['1.2.3:80', /neither an IP address nor a DNS name/],
    ['a b:80', /neither/],
    ['-a:80', /neither/],
    ['a..b:80', /neither/],
    ['::1:8000:', /brackets/],
    ['fe80::1:80:zz', /brackets/],
    ['[::1', /neither|brackets/],
    ['[a]:80', /IPv6/],
    ['[::1]x', /./],
    ['srv+', /DNS name/],
    ['srv+name:80', /without a port/],
    ['srv+https://h:80/', /without one/],
    ['https://', /valid URL/],
    ['https://u:p@h/', /user name/],
    ['https://h:0/', /port 0/],
    ['ftp://h/', /scheme/],
    ['srv+ftp://h/', /scheme/],
    [`${'a'.repeat(60)}.`.repeat(40), /longer than 1024/],
    ['é'.repeat(600), /longer than 1024/],
  ];
  for (const [text, says] of bad) {
    try {
      parseAddress(text);
      assert.fail(`${text} was accepted`);
    } catch (error) {
      assert.ok(error instanceof GossipError && error.code === 'ERR_ADDRESS', `${text}: ${error}`);
      assert.match((error as Error).message, says);
      assert.ok((error as Error).message.includes(JSON.stringify(text.slice(0, 40)).slice(0, -1)), `${error}`);
    }
  }
});

test('any text is read or refused with ERR_ADDRESS, and what is read can be written and read again', () => {
  const piece = fc.constantFrom(...'[]:./%+#@-_0a8', 'srv+', 'http://', 'wss://', '::1', '127.0.0.1', 'h.test', ':80');
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
  );
  fc.assert(
    fc.property(text, (input) => {
      let address: Address;
      try {
        address = parseAddress(input, { defaultPort: 7000 });
      } catch (error) {
        assert.ok(error instanceof GossipError && error.code === 'ERR_ADDRESS', `${error}`);
        return;
      }
      assert.deepEqual(parseAddress(formatAddress(address)), address);
    }),
    { numRuns: tries(5_000) },
  );
});

test('bind addresses may leave out the host or the port', () => {
  const forms: [string, string, number][] = [
    ['127.0.0.1:8000', '127.0.0.1', 8000],
    ['127.0.0.1', '127.0.0.1', 0],
    ['[::]:0', '::', 0],
    ['::', '::', 0],
    [':8000', '0.0.0.0', 8000],
    ['8000', '0.0.0.0', 8000],
    ['localhost:1', 'localhost', 1],
  ];
  for (const [text, host, port] of forms) assert.deepEqual(parseBind(text), { host, port }, text);
  assert.deepEqual(parseBind(':1', '::'), { host: '::', port: 1 });
  for (const text of ['', 'http://h:1', 'srv+name', 'h:x', '1.2.3.4.5:1']) {
    assert.throws(() => parseBind(text), GossipError, /cannot use the address/);
  }
  for (const none of [undefined, null, 8000])
    assert.throws(() => parseBind(none as never), /cannot use the address .*: pass bind, a text: host:port/);
});

test('wildcards and literals are told from names', () => {
  for (const host of ['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '::0', '']) assert.ok(isWildcard(host), host);
  for (const host of ['127.0.0.1', '::1', 'localhost', '0.example', '::ffff:1.2.3.4'])
    assert.ok(!isWildcard(host), host);
  for (const host of ['1.2.3.4', '::1', '::ffff:1.2.3.4', 'fe80::1%eth0']) assert.ok(isIp(host), host);
  for (const host of ['1.2.3', '01.2.3.4', '256.1.1.1', 'a', '1::2::3', 'fe80::1%', 'fe80::1%a%b', ':::']) {
    assert.ok(!isIp(host), host);
  }
  assert.ok(!isIpv6('1.2.3.4'));
  assert.equal(formatHostPort('::1', 1), '[::1]:1');
  assert.equal(formatHostPort('h', 1), 'h:1');
});
