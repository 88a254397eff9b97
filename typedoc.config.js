import { importable } from './tools/entries.mjs';

/** `npm run docs`: the API of every entry, into docs/api/. */
export default {
  entryPoints: importable.filter((source) => !source.endsWith('.node.ts')),
  out: 'docs/api',
  tsconfig: 'tsconfig.build.json',
  name: 'isogossip',
  readme: 'README.md',
  excludeInternal: true,
  excludePrivate: true,
  sort: ['source-order'],
  // The two halves of the v1 plug-in are opaque to users.
  intentionallyNotExported: ['V1Wire', 'DialectFactory'],
  treatWarningsAsErrors: true,
};
