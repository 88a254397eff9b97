import { OptionDefaults } from 'typedoc';
import { entries, importable } from './tools/entries.mjs';

/** `npm run docs`: the API of every entry, into docs/api/. */
export default {
  entryPoints: importable.filter((source) => !entries.some(({ nodeSource }) => nodeSource === source)),
  out: 'docs/api',
  tsconfig: 'tsconfig.build.json',
  name: 'isogossip',
  readme: 'README.md',
  excludeInternal: true,
  excludePrivate: true,
  sort: ['source-order'],
  // Links to lines of a host would be broken in a copy without it.
  disableSources: true,
  // The two halves of the v1 plug-in are opaque to users; packets are described in docs/protocol.md.
  intentionallyNotExported: ['V1Wire', 'DialectFactory', 'NativePacket', 'V1Packet', 'Exchanges', 'Link'],
  blockTags: [...OptionDefaults.blockTags, '@source'],
  treatWarningsAsErrors: true,
};
