/**
 * Promises of the README and other pages that a machine can check: the quick start runs as printed, code compiles, links lead
 * somewhere.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const readme = readFileSync(`${ROOT}README.md`, 'utf8');

/** The one code block of a language. */
function block(language: string): string {
  const blocks = [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))];
  expect(blocks).toHaveLength(1);
  return blocks[0]?.[1] as string;
}

test('the quick start runs as printed and prints what is printed below it', async () => {
  // From the repository's root, where `isogossip` is this package; the same as a file there.
  const child = spawn(process.execPath, ['--input-type=module'], { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.end(block('js'));
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: '', stdout: block('text') });
});

/** What the reader of these pages has already. */
const GIVEN = `
import type { Server } from 'node:http';
import type { Cluster } from 'isogossip';
import { createGateway } from 'isogossip/gateway';
import { webSocketListener } from 'isogossip/transport/websocket-listener';
declare const cluster: Cluster;
declare const server: Server;
declare const sessions: { find(cookie: string | undefined): Promise<{ memberId: string } | undefined> };
`;
const pages = {
  'README.md': '',
  'docs/browser.md': '',
  'docs/gateway-security.md': GIVEN,
  'docs/guide/groups.md': '',
  'docs/load-balancer.md': GIVEN,
};

/** The code of each section of a page, by its title; what a section has in several blocks belongs together. */
function sections(page: string, given: string): [string, string][] {
  return readFileSync(`${ROOT}${page}`, 'utf8')
    .split(/^(?=##? )/m)
    .flatMap((section): [string, string][] => {
      const blocks = [...section.matchAll(/^```[jt]s\n(.*?)^```$/gms)].map(([, code]) => code);
      const [title = ''] = section.split('\n');
      return blocks.length > 0 ? [[`${page}: ${title.replace(/^#+ /, '')}`, given + blocks.join('')]] : [];
    });
}

test('the code of the README and of the pages about browsers compiles', { timeout: 60_000 }, () => {
  const programs = Object.entries(pages).flatMap(([page, given]) => sections(page, given));
  expect(programs.map(([title]) => title)).toEqual([
    'README.md: Quick start',
    'README.md: The API',
    'docs/browser.md: On a server',
    'docs/browser.md: In the page',
    'docs/browser.md: Many tabs, one connection',
    'docs/gateway-security.md: Who may come in',
    'docs/gateway-security.md: What it may do',
    'docs/guide/groups.md: Groups',
    'docs/guide/groups.md: Who matches',
    'docs/guide/groups.md: Telling and asking',
    'docs/guide/groups.md: A value for each member',
    'docs/load-balancer.md: Behind a load balancer',
  ]);
  // The quick start is JavaScript, and runs above.
  const files = new Map(programs.slice(1).map(([title, code], index) => [`${ROOT}page-${index}.ts`, { title, code }]));
  const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path)?.code ?? readFile(path);
  const program = ts.createProgram([...files.keys()], options, host);
  const problems = [...files].flatMap(([name, { title }]) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(name))
      .map(({ messageText }) => `${title}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`),
  );
  expect(problems).toEqual([]);
});

test('each link to a file leads to one, each npm script exists, each subpath is an entry', () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, path]) => path as string);
  expect(links.length).toBeGreaterThan(3);
  expect(links.filter((path) => !existsSync(ROOT + path))).toEqual([]);

  const manifest = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
  const scripts = [...readme.matchAll(/npm (?:run )?(start|test|(?<=run )[\w:]+)/g)].map(([, name]) => name as string);
  expect(scripts.filter((name) => !(name in manifest.scripts))).toEqual([]);
  const subpaths = [...readme.matchAll(/`((?:codec|cipher|compressor|transport)\/[\w-]+|testing)`/g)].map(
    ([, path]) => path,
  );
  expect(subpaths.length).toBeGreaterThan(8);
  expect(subpaths.filter((path) => !(`./${path}` in manifest.exports))).toEqual([]);
});
