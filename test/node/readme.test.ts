/** The README's promises that a machine can check: its quick start runs as printed, its API example compiles, its links lead somewhere. */
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

test('the API example compiles', { timeout: 60_000 }, () => {
  const name = `${ROOT}readme-example.ts`;
  const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (path) => path === name || fileExists(path);
  host.readFile = (path) => (path === name ? block('ts') : readFile(path));
  const program = ts.createProgram([name], options, host);
  const problems = ts.getPreEmitDiagnostics(program, program.getSourceFile(name));
  expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
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
