/** Four bundlers, each as somebody sets it up who builds a page and wants nothing special. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { build as esbuild } from 'esbuild';
import { rollup } from 'rollup';
import { build as vite } from 'vite';
import webpack from 'webpack';

/** Bundles a script into a folder. */
type Bundle = (entry: string, into: string) => Promise<void>;

export const bundlers: Record<'esbuild' | 'vite' | 'webpack' | 'rollup', Bundle> = {
  async esbuild(entry, into) {
    await esbuild({ entryPoints: [entry], outdir: into, bundle: true, splitting: true, minify: true, format: 'esm' });
  },

  async vite(entry, into) {
    await vite({
      root: join(entry, '..'),
      configFile: false,
      logLevel: 'error',
      build: { outDir: into, emptyOutDir: false, rollupOptions: { input: entry } },
    });
  },

  async webpack(entry, into) {
    const compiler = webpack({ mode: 'production', entry, output: { path: into }, performance: { hints: false } });
    await new Promise<void>((resolve, reject) => {
      compiler.run((error, stats) => {
        compiler.close(() => {});
        if (error) reject(error);
        else if (stats?.hasErrors() || stats?.hasWarnings()) reject(new Error(stats.toString('errors-warnings')));
        else resolve();
      });
    });
  },

  async rollup(entry, into) {
    const onwarn = ({ message }: { message: string }) => {
      throw new Error(message);
    };
    const bundle = await rollup({ input: entry, plugins: [nodeResolve({ browser: true })], onwarn });
    await bundle.write({ dir: into, format: 'es' });
    await bundle.close();
  },
};

/** All scripts that a bundler has written, by name; those of chunks too. */
export async function scripts(folder: string): Promise<Map<string, string>> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => /\.m?js$/.test(name));
  const texts = names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const);
  return new Map(await Promise.all(texts));
}
