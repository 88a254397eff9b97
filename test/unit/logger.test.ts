/** Loggers: silence by default, whatever an application has fits, and none can do harm. */
import { describe, expect, test, vi } from 'vitest';
import { createCluster, defineMessage, type Logger } from '../../src/index.js';
import { resolveLogger } from '../../src/logger.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { Harness, recorder, settled } from './cluster-harness.js';

/** Calls of a logger's methods, in order, as `[level, ...arguments]`. */
function methods(names: readonly string[]) {
  const calls: unknown[][] = [];
  const logger = Object.fromEntries(
    names.map((name) => [
      name,
      function (this: unknown, ...line: unknown[]) {
        expect(this).toBe(logger);
        calls.push([name, ...line]);
      },
    ]),
  );
  return { calls, logger: logger as unknown as Logger & Record<string, unknown> };
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;

test('without a logger nothing is written, not even by the platform', async () => {
  const written = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')];
  try {
    const log = resolveLogger().withGroup('a').with({ b: 1 });
    for (const level of LEVELS) log[level]('nothing', { c: 2 });
    await using a = await createCluster({ transport: createMemoryNetwork().transport() });
    a.on('metadata', () => {
      throw new Error('unheard');
    });
    a.setMetadata({ x: 1 });
    await settled();
    expect(a.stats().handlersFailed).toBe(1);
    for (const spy of written) expect(spy).not.toHaveBeenCalled();
  } finally {
    for (const spy of written) spy.mockRestore();
  }
});

test('every level arrives with its message, its fields when there are any, and the logger as `this`', () => {
  const { calls, logger } = methods(LEVELS);
  const log = resolveLogger(logger);
  for (const level of LEVELS) log[level](`at ${level}`);
  log.info('with', { a: 1 });
  log.info('without', {});
  expect(calls).toEqual([
    ...LEVELS.map((level) => [level, `at ${level}`]),
    ['info', 'with', { a: 1 }],
    ['info', 'without'],
  ]);
});

test('trace may be missing: then it is silent', () => {
  const { calls, logger } = methods(['debug', 'info', 'warn', 'error']);
  resolveLogger(logger).trace('nothing');
  expect(calls).toEqual([]);
});

test('a logger without with and withGroup, such as console, gets names and fields in the line', () => {
  const { calls, logger } = methods(LEVELS);
  const log = resolveLogger(logger).withGroup('iso').with({ id: 1 }).withGroup('tcp').with({ port: 2 });
  log.warn('closed', { port: 3, why: 'idle' });
  log.info('plain');
  expect(calls).toEqual([
    ['warn', 'iso.tcp: closed', { id: 1, port: 3, why: 'idle' }],
    ['info', 'iso.tcp: plain', { id: 1, port: 2 }],
  ]);
});

test('a logger with them is asked, and what it returns is used', () => {
  const lines: unknown[][] = [];
  const structured = (group: string, fields: object): Logger => ({
    debug: (...line) => lines.push([group, fields, ...line]),
    info: (...line) => lines.push([group, fields, ...line]),
    warn: (...line) => lines.push([group, fields, ...line]),
    error: (...line) => lines.push([group, fields, ...line]),
    with: (more) => structured(group, { ...fields, ...more }),
    withGroup: (name) => structured(`${group}/${name}`, fields),
  });
  resolveLogger(structured('', {})).withGroup('iso').with({ id: 1 }).info('hello', { n: 2 });
  expect(lines).toEqual([['/iso', { id: 1 }, 'hello', { n: 2 }]]);
});

test('one of the two may be missing, or return nothing', () => {
  const { calls, logger } = methods(LEVELS);
  logger.with = () => {};
  resolveLogger(logger).withGroup('iso').with({ id: 1 }).info('hello');
  expect(calls).toEqual([['info', 'iso: hello', { id: 1 }]]);
});

test('pino, which has bindings, gets the fields first', () => {
  const { calls, logger } = methods(LEVELS);
  logger.bindings = () => ({});
  const log = resolveLogger(logger).withGroup('iso');
  log.info('plain');
  log.warn('dropped', { detail: 'x' });
  expect(calls).toEqual([
    ['info', 'iso: plain'],
    ['warn', { detail: 'x' }, 'iso: dropped'],
  ]);
});

describe('in a cluster', () => {
  test('what starts is told, and what is dropped is told once', async () => {
    const h = new Harness();
    const logger = recorder();
    const [a, b] = await h.pair({ logger }, {});
    expect(logger.lines[0]).toBe('info: isogossip: member started');
    expect(logger.fields[0]).toEqual({ id: a.id, address: 'm0' });
    const never = { '~standard': { version: 1 as const, vendor: 'no', validate: () => ({ issues: [] }) } };
    a.on(defineMessage(129, never), () => {});
    for (let n = 0; n < 3; n++) b.broadcast(defineMessage(129), n);
    await h.clock.advance(2);
    expect(a.stats().messagesInvalid).toBe(3);
    expect(logger.lines.filter((line) => line.includes('messagesInvalid'))).toEqual([
      'warn: isogossip: dropped: messagesInvalid (told once, counted in stats)',
    ]);
  });

  test('a logger that throws harms nobody', async () => {
    const h = new Harness();
    let calls = 0;
    const throwing = () => {
      calls++;
      throw new Error('disk full');
    };
    const logger = { trace: throwing, debug: throwing, info: throwing, warn: throwing, error: throwing };
    const [a, b] = await h.pair({ logger });
    const heard: unknown[] = [];
    b.on('message', () => {
      throw new Error('a handler too');
    });
    b.on('message', ({ data }) => heard.push(data));
    a.broadcast(defineMessage(129), 1);
    await settled();
    expect(heard).toEqual([1]);
    expect(calls).toBeGreaterThanOrEqual(3);
    await b.leave();
    await settled();
    expect(a.member(b.id)?.state).toBe('leaving');
  });
});
