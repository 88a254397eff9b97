/** The implementations that exist on every runtime, each with what its contract suite needs to know of it. */
import { aesGcm } from '../../src/cipher/aes-gcm.js';
import { secretbox } from '../../src/cipher/secretbox.js';
import { json } from '../../src/codec/json.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { msgpackRaw } from '../../src/codec/msgpack-raw.js';
import { deflate } from '../../src/compressor/deflate.js';
import { snappy } from '../../src/compressor/snappy.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import type { CipherKind } from './cipher.js';
import type { ClusterKind } from './cluster.js';
import type { CodecKind } from './codec.js';
import type { CompressorKind } from './compressor.js';
import type { TransportKind } from './transport.js';

/** The codecs. */
export const codecKinds: readonly CodecKind[] = [
  { name: 'msgpack', create: msgpack, bytes: true, dates: true },
  { name: 'msgpack-raw', create: msgpackRaw, bytes: true, dates: true },
  { name: 'json', create: json, bytes: false, dates: false },
];

/** The ciphers. @param aes192 - whether the runtime's WebCrypto has AES with keys of 192 bits; Chromium's has not. */
export const cipherKinds = (aes192 = true): CipherKind[] => [
  {
    name: 'aes-gcm on WebCrypto',
    create: aesGcm,
    ...(aes192 ? { keyBytes: [16, 24, 32] } : { keyBytes: [16, 32], unusableKeyBytes: 24 }),
  },
  { name: 'secretbox', create: secretbox, keyBytes: [32] },
];

/** The compressors. */
export const compressorKinds: readonly CompressorKind[] = [
  {
    name: 'snappy',
    create: snappy,
    redeclare(block, bytes) {
      let body = 0;
      while ((block[body++] as number) >= 0x80);
      const length: number[] = [];
      for (let rest = bytes; ; rest = Math.floor(rest / 0x80)) {
        length.push(rest < 0x80 ? rest : (rest & 0x7f) | 0x80);
        if (rest < 0x80) break;
      }
      return Uint8Array.from([...length, ...block.subarray(body)]);
    },
  },
  {
    name: 'deflate',
    create: deflate,
    redeclare(block, bytes) {
      const copy = block.slice();
      new DataView(copy.buffer).setUint32(0, bytes, true);
      return copy;
    },
  },
];

/** Transports on a memory network of their own. */
export function memoryKind(): TransportKind {
  const network = createMemoryNetwork();
  return { name: 'memory', create: () => network.transport(), nobody: 'nobody', datagrams: true, lasting: true };
}

/** Clusters in memory: bare, and with each plug-in in use. */
export function memoryClusterKinds(): ClusterKind[] {
  const kind = (): ClusterKind => ({ ...memoryKind(), losesNothing: true });
  return [
    kind(),
    {
      ...kind(),
      name: 'memory, aes-gcm and snappy',
      options: { cipher: aesGcm([new Uint8Array(32)]), compressor: snappy(), codec: msgpackRaw() },
    },
    {
      ...kind(),
      name: 'memory, secretbox and deflate',
      options: { cipher: secretbox([new Uint8Array(32)]), compressor: deflate() },
    },
  ];
}
