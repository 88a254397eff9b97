/**
 * `npm run size`: what each entry costs a user, in bytes after bundling, minifying and gzip: our own code, and beside it
 * the libraries it brings. Isomorphic entries are built as for a browser. Fails when the core is above its ceiling or when
 * a bundle holds what it must not: a `node:` module in a browser, or code of a plug-in that nobody asked for.
 */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { entries } from './entries.mjs';

/** What the core with msgpack and AES is to weigh, without the msgpack library: 20 kB. Not reached yet. */
const TARGET_BYTES = 20_000;
/** Above this the command fails, so that it does not grow on the way there. */
const CEILING_BYTES = 21_400;

/** What is loaded only where it is wanted, such as the leaf, is not in the bundle of those who do not want it. */
const loadedLater = {
  name: 'loaded later',
  setup({ onResolve }) {
    onResolve({ filter: /^/ }, ({ kind, path }) => (kind === 'dynamic-import' ? { path, external: true } : undefined));
  },
};

const root = fileURLToPath(new URL('..', import.meta.url));

async function bundle(files, isomorphic, withLibraries) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    stdin: { contents: files.map((file) => `export * from './${file}';`).join('\n'), resolveDir: root },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: 'es2022',
    platform: isomorphic ? 'browser' : 'node',
    external: ['node:*'],
    plugins: [loadedLater],
    ...(withLibraries ? {} : { packages: 'external' }),
  });
  const [output] = Object.values(metafile.outputs);
  return {
    minified: outputFiles[0].contents.byteLength,
    gzip: gzipSync(outputFiles[0].contents, { level: 9 }).byteLength,
    // Only what has bytes in the output: types and what tree shaking removed are no cost.
    files: Object.entries(output.inputs)
      .filter(([, input]) => input.bytesInOutput > 0)
      .map(([file]) => file),
    imports: output.imports
      .filter(({ kind, external }) => external && kind !== 'dynamic-import')
      .map(({ path }) => path),
  };
}

async function measure({ name, files, isomorphic, forbidden }) {
  const own = await bundle(files, isomorphic, false);
  const whole = await bundle(files, isomorphic, true);
  const wrong = [];
  if (isomorphic) wrong.push(...whole.imports.map((path) => `imports ${path}`));
  if (forbidden) wrong.push(...own.files.filter((file) => forbidden.test(file)).map((file) => `contains ${file}`));
  const libraries = [...new Set(own.imports.filter((path) => !path.startsWith('node:')))];
  return {
    name,
    minified: own.minified,
    own: own.gzip,
    library: libraries.length ? whole.gzip - own.gzip : 0,
    libraries,
    wrong,
  };
}

const FORBIDDEN_IN_CORE =
  /\/v1\/|^src\/(v1\.ts|compressor\/.|transport\/(?!transport|address)|cipher\/secretbox|testing\/|cli\/)/;
const CORE = 'core + msgpack + AES';
const wanted = [
  {
    name: CORE,
    files: ['src/index.ts', 'src/codec/msgpack.ts', 'src/cipher/aes-gcm.ts'],
    isomorphic: true,
    forbidden: FORBIDDEN_IN_CORE,
  },
  ...entries.flatMap(({ subpath, source, browserSource, isomorphic }) =>
    [source, browserSource].filter(Boolean).map((file) => ({
      name: subpath.replace('.', 'isogossip') + (file === browserSource ? ' in a browser' : ''),
      files: [file],
      isomorphic,
      forbidden: subpath === '.' ? FORBIDDEN_IN_CORE : undefined,
    })),
  ),
];

const rows = [];
for (const one of wanted) rows.push(await measure(one));

const number = (value) => value.toLocaleString('en-US').padStart(10);
console.log(`${'entry (bytes)'.padEnd(32)}${'minified'.padStart(10)}${'gzip'.padStart(10)}${'libraries'.padStart(11)}`);
for (const { name, minified, own, library, libraries } of rows) {
  console.log(
    `${name.padEnd(32)}${number(minified)}${number(own)} ${number(library)}  ${libraries.join(', ')}`.trimEnd(),
  );
}

const core = rows.find(({ name }) => name === CORE);
const problems = rows.flatMap(({ name, wrong }) => wrong.map((what) => `${name} ${what}`));
if (core.own > CEILING_BYTES) problems.push(`${CORE} is ${core.own - CEILING_BYTES} bytes above its ceiling`);
console.log(
  `\n${CORE}: ${core.own} bytes, ${core.own - TARGET_BYTES} above the target of ${TARGET_BYTES}, ceiling ${CEILING_BYTES}; its libraries ${core.library} beside`,
);
for (const problem of problems) console.error(`FAILED ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
