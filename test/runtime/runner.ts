/**
 * The smallest runner that the contract suites need, so that they run where no runner does: it collects their tests,
 * runs them one after another, each with a deadline, and answers with plain data.
 */
import type { TestApi } from '../contract/assert.js';

/** What became of one test. */
export interface Result {
  suite: string;
  name: string;
  ok: boolean;
  tookMs: number;
  /** Why it failed. */
  error?: string;
}

/** Collects tests and runs them. */
export interface Runner extends TestApi {
  /** The tests defined by `define` belong to the suite of this name. */
  suite(name: string, define: () => void): void;
  /** Runs everything collected. Never rejects. */
  run(): Promise<Result[]>;
  /** Takes what the runtime says nobody caught; the test that runs has failed. */
  uncaught(error: unknown): void;
}

/**
 * Makes an empty runner.
 * @param timeoutMs - what one test may take; one that takes longer has failed. Default as in vitest.config.ts.
 */
export function createRunner(timeoutMs = 20_000): Runner {
  const collected: { suite: string; name: string; body: () => void | Promise<void> }[] = [];
  let current = '';
  let uncaught: string[] = [];

  const runOne = async (body: () => void | Promise<void>): Promise<string | undefined> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not finished within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      await Promise.race([(async () => body())(), late]);
      return undefined;
    } catch (error) {
      return describe(error);
    } finally {
      clearTimeout(timer);
    }
  };

  return {
    assert,
    test: (name, body) => void collected.push({ suite: current, name, body }),
    suite(name, define) {
      current = name;
      define();
      current = '';
    },
    async run() {
      const results: Result[] = [];
      for (const { suite, name, body } of collected) {
        const startMs = performance.now();
        uncaught = [];
        const error = (await runOne(body)) ?? uncaught[0];
        const tookMs = Math.round(performance.now() - startMs);
        results.push({ suite, name, ok: error === undefined, tookMs, ...(error !== undefined && { error }) });
      }
      return results;
    },
    uncaught: (error) => void uncaught.push(`not caught: ${describe(error)}`),
  };
}

const assert: TestApi['assert'] = {
  equal(actual, expected, message) {
    if (!Object.is(actual, expected)) fail(actual, expected, message);
  },
  deepEqual(actual, expected, message) {
    if (!same(actual, expected)) fail(actual, expected, message);
  },
  ok(value, message) {
    if (!value) fail(value, 'something true', message);
  },
};

/** An error with its stack, which not every engine begins with the message. */
function describe(error: unknown): string {
  const { stack = '' } = error instanceof Error ? error : {};
  return stack.includes(String(error)) ? stack : `${error}\n${stack}`;
}

function fail(actual: unknown, expected: unknown, message = 'not what was expected'): never {
  throw new Error(`${message}: ${show(actual)} where ${show(expected)} was expected`);
}

/** Structural equality of everything that a codec can carry; bytes of two classes differ only in their bytes. */
function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Object.prototype.toString.call(a) !== Object.prototype.toString.call(b)) return false;
  if (a instanceof Uint8Array) {
    const other = b as Uint8Array;
    return a.length === other.length && a.every((byte, i) => byte === other[i]);
  }
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime());
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && same(a[key as keyof object], b[key as keyof object]));
}

/** The beginning of a value as text, for a message. */
function show(value: unknown): string {
  if (value instanceof Error) return String(value);
  const plain = (_: string, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one);
  try {
    return (JSON.stringify(value, plain) ?? String(value)).slice(0, 300);
  } catch {
    return String(value);
  }
}
