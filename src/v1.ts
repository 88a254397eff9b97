/** The plug-in that makes peers of the Go library github.com/paularlott/gossip members of the same cluster. */
import { createV1Rules } from './core/v1/rules.js';
import { Exchanges } from './exchanges.js';
import type { V1Plugin } from './options.js';
import { decodeV1Frame, encodeV1Frame } from './wire/v1/frame.js';

/**
 * The Go library's dialect, for `createCluster({ v1: gossipV1() })`. Codec, cipher and compressor must be those of the
 * Go peers: `msgpack()` for its shamaton and vmihailenco codecs, `msgpackRaw()` for hashicorp's, `json()` for JSON;
 * `aesGcm()`; `snappy()`.
 */
export function gossipV1(): V1Plugin {
  return {
    wire: { encode: encodeV1Frame, decode: decodeV1Frame },
    exchanges: (link) => new Exchanges(link),
    rules: createV1Rules,
  };
}
