/**
 * What an edge worker is sent that uses the full WebSocket transport, bundled as for a browser: no byte of `ws` and nothing
 * of Node. The unused half of isomorphic-ws is told apart by whoever bundles so. Pages: `test/bundles/`.
 */
import { type BuildOptions, build } from 'esbuild';
import { expect, test } from 'vitest';

/** The files that have bytes in a bundle, and what it still imports. */
async function bundled(file: string, options: BuildOptions): Promise<{ files: string[]; imports: string[] }> {
  const { metafile } = await build({
    ...options,
    entryPoints: [file],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    metafile: true,
    outdir: 'out',
    logLevel: 'silent',
  });
  const outputs = Object.values(metafile.outputs);
  return {
    files: outputs.flatMap(({ inputs }) =>
      Object.entries(inputs)
        .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
        .map(([path]) => path),
    ),
    imports: outputs.flatMap(({ imports }) => imports.filter(({ external }) => external).map(({ path }) => path)),
  };
}

const libraries = (files: string[]) => files.filter((path) => path.includes('node_modules'));

test('a bundle for a browser contains nothing of ws', async () => {
  for (const file of ['src/transport/websocket.ts', 'src/transport/several.ts']) {
    const { files, imports } = await bundled(file, { platform: 'browser' });
    expect(libraries(files).filter((path) => !path.endsWith('isomorphic-ws/browser.js'))).toEqual([]);
    expect(imports).toEqual([]);
  }
});

test('a bundle for no platform needs to be told of the main fields, and contains nothing of ws either', async () => {
  const { files, imports } = await bundled('src/transport/websocket.ts', {
    platform: 'neutral',
    mainFields: ['browser', 'module', 'main'],
  });
  expect(libraries(files)).toEqual(['node_modules/isomorphic-ws/browser.js']);
  expect(imports).toEqual([]);
});

test('a bundle for Node contains ws, so that the test above can fail', async () => {
  const { files } = await bundled('src/transport/websocket.ts', { platform: 'node' });
  expect(libraries(files)).toContain('node_modules/ws/lib/websocket.js');
});
