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
 * - `nodeSource`, `browserSource`: the file chosen by the `node` or `browser` condition, where there is one
 * - `isomorphic`: runs in browsers too, so it may not reach a `node:` module
 */
export const entries = Object.entries(manifest.exports)
  .filter(([, target]) => typeof target === 'object')
  .map(([subpath, target]) => ({
    subpath,
    source: sourceOf(target.default),
    nodeSource: target.node && sourceOf(target.node),
    browserSource: target.browser && sourceOf(target.browser),
    isomorphic: !/^\.\/dist\/transport\/node\/|\.node\.js$/.test(target.default),
  }));

/** The source file of the entry that is one file with its libraries: what CDNs serve. */
export const singleFile = sourceOf(manifest.unpkg);

/** Source files of the commands. */
export const commands = Object.values(manifest.bin).map(sourceOf);

/** Source files of everything that a user can import. */
export const importable = [
  ...new Set(entries.flatMap(({ source, nodeSource, browserSource }) => [source, nodeSource, browserSource])),
].filter(Boolean);

/** Source files of everything that a user can import or run. */
export const sources = [...importable, ...commands];
