/**
 * What the compiler says of the package as it is built: the promises of `test/types/` hold, and code of the README and the other pages
 * compiles. In one program, because what costs is reading the libraries.
 */
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { CompilerOptions, SourceFile } from 'typescript';
import { expect, test } from 'vitest';
import { ts } from '../typescript.js';
import { blocksOf, pages, ROOT } from './docs.js';

/** What the reader of the pages has already. */
const GIVEN = `
  import type { Server } from 'node:http';
  import type { Cluster } from 'isogossip';
  import type * as gateways from 'isogossip/gateway';
  import type * as listeners from 'isogossip/transport/websocket-listener';
  declare global {
    var cluster: Cluster;
    var server: Server;
    var sessions: { find(cookie: string | undefined): Promise<{ memberId: string } | undefined> };
    var createGateway: typeof gateways.createGateway;
    var webSocketListener: typeof listeners.webSocketListener;
    var Bun: { serve(options: object): unknown };
    var Deno: {
      serve(options: object, handler: (request: Request) => Response): unknown;
      upgradeWebSocket(request: Request): { socket: WebSocket; response: Response };
    };
  }`;

/** A file for each block that is saved as one; the others of a section belong together. */
function programs(): Map<string, { code: string; title: string }> {
  const files = new Map<string, { code: string; title: string }>();
  for (const { page, section, language, code, file } of pages.flatMap(blocksOf)) {
    if (language !== 'ts' && language !== 'js') continue;
    const title = `${page}: ${section}`;
    const slug = title.replace(/\W+/g, '-');
    const name = file ? `${dirname(page).replaceAll('/', '-')}/${file}` : `${slug}.${language === 'ts' ? 'ts' : 'mjs'}`;
    const path = `${ROOT}dist.docs/${name}`;
    files.set(path, { title, code: (files.get(path)?.code ?? '') + code });
  }
  return files;
}

const files = programs();
const given = `${ROOT}dist.docs/given.d.ts`;
const ours = readdirSync(`${ROOT}test/types`)
  .filter((name) => name.endsWith('.test-d.ts'))
  .map((name) => `${ROOT}test/types/${name}`);

const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, ts.sys.readFile);
const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, ROOT);
const read = new Map<string, SourceFile | undefined>();
const host = ts.createCompilerHost(options);
const { fileExists, readFile, getSourceFile } = host;
const written = (path: string) => (path === given ? GIVEN : files.get(path)?.code);
host.fileExists = (path) => written(path) !== undefined || fileExists(path);
host.readFile = (path) => written(path) ?? readFile(path);
host.directoryExists = undefined as never;
// All programs read the same libraries.
host.getSourceFile = (path, ...more) => {
  if (!read.has(path)) read.set(path, getSourceFile(path, ...more));
  return read.get(path);
};

/** Compiles files together. @returns what the compiler objects to in each. */
function compiler(paths: readonly string[], more: CompilerOptions = {}): (path: string) => string[] {
  const program = ts.createProgram([...paths, given], { ...options, ...more }, host);
  return (path) =>
    ts.getPreEmitDiagnostics(program, program.getSourceFile(path)).map(({ messageText, file, start = 0 }) => {
      const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
      return `${files.get(path)?.title ?? path}, line ${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
}

const extension = (which: string) => [...files.keys()].filter((path) => path.endsWith(which));
const compiled = compiler([...ours, ...extension('.ts')]);

test.each(ours.map((path) => path.slice(ROOT.length)))('%s', { timeout: 60_000 }, (path) => {
  expect(compiled(ROOT + path)).toEqual([]);
});

test('TypeScript and JavaScript of the pages compile against the package', { timeout: 60_000 }, () => {
  const titles = [...files.values()].map(({ title }) => title);
  for (const page of [
    'README.md',
    'docs/browser.md',
    'docs/runtimes.md',
    'docs/guide/start.md',
    'docs/guide/groups.md',
    'docs/guide/election.md',
    'docs/guide/locks.md',
    'docs/guide/store.md',
  ]) {
    expect(titles.filter((title) => title.startsWith(page)).length, page).toBeGreaterThan(1);
  }
  // Who writes JavaScript leaves types out: what a message holds has none.
  const inJavaScript = compiler(extension('.mjs'), { checkJs: true, strict: false });
  const problems = [
    ...extension('.ts').flatMap(compiled),
    ...extension('.mjs')
      .flatMap(inJavaScript)
      .filter((text) => !text.endsWith("on type 'unknown'.")),
  ];
  expect(problems).toEqual([]);
});
