/**
 * `npm run size`: what each entry costs a user, in bytes after bundling, minifying and gzip: our own code, and beside it
 * the libraries it brings; and what a page costs that chats, beside pages that do it with something else. Isomorphic
 * entries are built as for a browser. Fails when something is above its budget or when a bundle holds what it must not: a
 * `node:` module in a browser, or code of a plug-in that nobody asked for.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { entries, singleFile } from './entries.mjs';

/**
 * What the core with msgpack and AES is to weigh, without the msgpack library, and a leaf over WebSocket in a page. The core is above
 * it since broadcasts travel a tree and tables are compared part by part: that is told at the end, and fails above its ceiling,
 * so that it cannot grow. `docs/decisions/2026-11-27-sizes.md`
 */
const AIM_BYTES = 20_000;
const CORE_BYTES = 29_400;
const LEAF_BYTES = 20_000;
const LEAF_WITH_LIBRARIES_BYTES = 30_000;

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
  if (forbidden) wrong.push(...whole.files.filter((file) => forbidden.test(file)).map((file) => `contains ${file}`));
  const libraries = [...new Set(own.imports.filter((path) => !path.startsWith('node:')))];
  return {
    name,
    minified: own.minified,
    own: own.gzip,
    whole: whole.gzip,
    library: libraries.length ? whole.gzip - own.gzip : 0,
    libraries,
    wrong,
  };
}

const FORBIDDEN_IN_CORE =
  /\/v1\/|^src\/((v1|exchanges)\.ts|compressor\/.|transport\/(?!transport|address)|cipher\/secretbox|(testing|cli|group|quorum|election|lock|store)\/)/;
/** Full members, gateways, and what a page need not load because the browser has it. */
const FORBIDDEN_IN_LEAF =
  /\/v1\/|^src\/(v1|exchanges|gateway|admission|leaf-session|create-cluster|core\/(core|probe|suspicion|sync|gateway)|transport\/(deadline|kept)|wire\/native\/(frame|member-packets))\.ts|^src\/((cipher|compressor|testing|cli|group|quorum|election|lock|store)\/|transport\/node\/)|isomorphic-ws/;
const CORE = 'core + msgpack + AES';
const LEAF = 'leaf in a page';
const wanted = [
  {
    name: CORE,
    files: ['src/index.ts', 'src/codec/msgpack.ts', 'src/cipher/aes-gcm.ts'],
    isomorphic: true,
    forbidden: FORBIDDEN_IN_CORE,
  },
  {
    name: LEAF,
    files: ['src/index.browser.ts', 'src/transport/websocket.browser.ts'],
    isomorphic: true,
    forbidden: FORBIDDEN_IN_LEAF,
  },
  ...entries.flatMap(({ subpath, source, browserSource, isomorphic }) =>
    [source, browserSource].filter(Boolean).map((file) => ({
      name: subpath.replace('.', 'isogossip') + (file === browserSource ? ' in a browser' : ''),
      files: [file],
      isomorphic,
      forbidden: file === singleFile ? FORBIDDEN_IN_LEAF : subpath === '.' ? FORBIDDEN_IN_CORE : undefined,
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
const leaf = rows.find(({ name }) => name === LEAF);
const single = rows.find(({ name }) => name === 'isogossip/browser');
const peers = JSON.parse(readFileSync(new URL('peer-sizes.json', import.meta.url), 'utf8'));
console.log('\na page that chats, with its libraries (gzip bytes)');
const line = (name, bytes, does) => console.log(`${name.padEnd(32)}${number(bytes)}  ${does}`);
line('isogossip', leaf.whole, 'members, their metadata, broadcasts and requests, through any gateway of a cluster');
line('isogossip, as the single file', single.whole, 'the same, without a bundler');
for (const { name, gzip, does } of peers.rows) line(name, gzip ?? '-', does);
console.log(`the others: versions in tools/peer-sizes.json, measured on ${peers.measured} by tools/peer-sizes.mjs`);

const problems = rows.flatMap(({ name, wrong }) => wrong.map((what) => `${name} ${what}`));
const budget = (name, bytes, most) => {
  if (bytes > most) problems.push(`${name} is ${bytes - most} bytes above ${most}`);
};
budget(CORE, core.own, CORE_BYTES);
budget(LEAF, leaf.own, LEAF_BYTES);
budget(`${LEAF}, with its libraries,`, leaf.whole, LEAF_WITH_LIBRARIES_BYTES);
budget('the single file', single.whole, LEAF_WITH_LIBRARIES_BYTES);
const aim = (name, bytes, most) =>
  `${name}: ${bytes} bytes, ${Math.max(0, bytes - AIM_BYTES)} above the ${AIM_BYTES} aimed at; the ceiling is ${most}`;
console.log(`\n${aim(CORE, core.own, CORE_BYTES)}; its libraries ${core.library} beside`);
console.log(`${aim(LEAF, leaf.own, LEAF_BYTES)}; with its libraries ${leaf.whole} of ${LEAF_WITH_LIBRARIES_BYTES}`);
for (const problem of problems) console.error(`FAILED ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
