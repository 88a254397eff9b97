/**
 * The package's entries, read from the `exports` and `bin` of package.json, so that the map that users see is the only
 * list of them: the build, the size table, the docs, knip and the tidy test all follow it.
 */
import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** `./dist/a/b.js` is built from `src/a/b.ts`, always. */
const sourceOf = (output) => output.replace(/^(\.\/)?dist\//, 'src/').replace(/\.js$/, '.ts');

/**
 * Each subpath with its source file.
 *
 * - `subpath`: what follows the package's name in an import, such as `./codec/json`
 * - `source`: the file for every runtime, or the only one
 * - `nodeSource`: the file chosen by the `node` condition, where there is one
 * - `isomorphic`: runs in browsers too, so it may not reach a `node:` module
 */
export const entries = Object.entries(manifest.exports)
  .filter(([, target]) => typeof target === 'object')
  .map(([subpath, target]) => ({
    subpath,
    source: sourceOf(target.default),
    nodeSource: target.node && sourceOf(target.node),
    isomorphic: !target.default.startsWith('./dist/transport/node/'),
  }));

/** Source files of the commands. */
export const commands = Object.values(manifest.bin).map(sourceOf);

/** Source files of everything that a user can import. */
export const importable = entries.flatMap(({ source, nodeSource }) => (nodeSource ? [source, nodeSource] : [source]));

/** Source files of everything that a user can import or run. */
export const sources = [...importable, ...commands];
