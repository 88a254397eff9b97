/**
 * The types of the packed package, as strict users compile against them: nothing skipped, with and without a browser's
 * types, and with both ways in which TypeScript finds the types of a package.
 */
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { entries } from '../../tools/entries.mjs';
import { installPacked, type Project } from './packed.js';

const APP = fileURLToPath(new URL('../types-consumer/app.ts', import.meta.url));

let project: Project;
beforeAll(async () => {
  project = await installPacked(['@types/node', '@types/ws', 'undici-types']);
  await writeFile(join(project.folder, 'package.json'), '{ "type": "module" }');
  const all = (some: typeof entries) =>
    some.map(({ subpath }, i) => `export * as entry${i} from '${subpath.replace('.', 'isogossip')}';`).join('\n');
  await writeFile(join(project.folder, 'anywhere.ts'), all(entries.filter(({ isomorphic }) => isomorphic)));
  await writeFile(join(project.folder, 'on-node.ts'), all(entries.filter(({ isomorphic }) => !isomorphic)));
  await copyFile(APP, join(project.folder, 'app.ts'));
}, 60_000);
afterAll(() => project.remove());

const FINDS = {
  bundler: { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
  node16: { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 },
  nodenext: { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
};
const BROWSER = ['lib.es2022.d.ts', 'lib.dom.d.ts'];
const PROGRAM = ['lib.es2022.d.ts'];

test.each([
  ['bundler', 'DOM', BROWSER, []],
  ['bundler', 'DOM and Node', BROWSER, ['node']],
  ['bundler', 'Node', PROGRAM, ['node']],
  ['node16', 'Node', PROGRAM, ['node']],
  ['nodenext', 'Node', PROGRAM, ['node']],
  ['nodenext', 'DOM and Node', BROWSER, ['node']],
] as const)('every entry has types: %s, with the types of %s', { timeout: 60_000 }, (finds, _, lib, types) => {
  const files = ['app.ts', 'anywhere.ts', ...(types.length ? ['on-node.ts'] : [])];
  const program = ts.createProgram(
    files.map((file) => join(project.folder, file)),
    {
      ...FINDS[finds],
      target: ts.ScriptTarget.ES2022,
      lib: [...lib],
      types: [...types],
      typeRoots: [join(project.folder, 'node_modules/@types')],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
    },
  );
  const problems = ts.getPreEmitDiagnostics(program).map(({ file, messageText, start = 0 }) => {
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    const name = file?.fileName.replace(/^.*node_modules\//, '').replace(`${project.folder}/`, '');
    return `${name}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
  expect(problems).toEqual([]);
});
