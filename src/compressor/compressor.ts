/** A compressor makes payloads smaller. Compression happens before encryption, and only when it pays. */

/** Block compression of one payload; synchronous, because frames are small. */
export interface Compressor {
  readonly name: string;
  compress(bytes: Uint8Array): Uint8Array;
  /**
   * Restores what `compress` made.
   * @param bytesMax - the largest output allowed; a declared or real output above it is refused before it is allocated.
   * @throws GossipError `ERR_COMPRESSED`: malformed or above `bytesMax`; `ERR_TOO_LARGE` is not used here.
   */
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array;
}
