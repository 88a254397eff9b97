/** A program as a person runs it at a terminal: what it has printed, what is typed into it, how it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Far above what anything takes, for a busy machine. */
const DEADLINE_MS = 15_000;

const running = new Set<ChildProcess>();

/** For `afterEach`: ends what a test has left. */
export async function endAll(): Promise<void> {
  await Promise.all(
    [...running].map(async (child) => {
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      await ended;
    }),
  );
}

export class Program {
  /** All that it has printed, to either stream. */
  printed = '';
  /** Its exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string | null>;
  readonly #child: ChildProcess;
  #wake = () => {};

  constructor(command: string, args: readonly string[], env: Record<string, string> = {}) {
    this.#child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env } });
    running.add(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.printed += text;
        this.#wake();
      });
    }
    this.#child.stdin?.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        running.delete(this.#child);
        resolve(code ?? signal);
        this.#wake();
      });
    });
    this.#child.once('error', (error) => {
      this.printed += String(error);
      this.#wake();
    });
  }

  /** Types a line. */
  type(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  /** Waits until something is printed, now or in all that came before. @returns what matched, its first group if there is one. */
  async prints(what: RegExp): Promise<string> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const found = what.exec(this.printed);
      if (found) return found[1] ?? found[0];
      const leftMs = deadline - Date.now();
      if (leftMs <= 0 || this.#child.exitCode !== null)
        throw new Error(`it did not print ${what}, but:\n${this.printed}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Types a line, now and again, until something is printed that came of it. */
  async answers(line: string, what: RegExp): Promise<string> {
    const again = setInterval(() => this.type(line), 200);
    try {
      this.printed = '';
      this.type(line);
      return await this.prints(what);
    } finally {
      clearInterval(again);
    }
  }
}

/** An example of this package, as its README starts it. */
export function example(name: string, ...options: string[]): Program {
  return new Program(process.execPath, ['examples/run.mjs', name, ...options]);
}
