/** What every build of isogossip shows, but for `createCluster`: that differs where a member can only be a leaf. */

export type { RequestHandler } from './answers.js';
export type { Cipher, Keyring } from './cipher/cipher.js';
export type { Clock } from './clock.js';
export { Cluster } from './cluster.js';
export type { Codec } from './codec/codec.js';
export type { Compressor } from './compressor/compressor.js';
export type { Timing } from './core/config.js';
export type { VisibleState } from './core/effect.js';
export type { MemberId } from './core/member-id.js';
export type { Metadata } from './core/metadata.js';
export { GossipError, type GossipErrorCode } from './errors.js';
export type { ClusterEvent, EventMap, Member, Message } from './events.js';
export { DEFAULT_LIMITS, type Limits } from './limits.js';
export type { Logger, LogLevel, LogMethod, ResolvedLogger } from './logger.js';
export {
  defineMessage,
  defineRequest,
  type MessageType,
  type RequestType,
  type Schema,
  type SchemaResult,
} from './message.js';
export { type ClusterOptions, PRESETS, type Preset, type V1Plugin } from './options.js';
export type {
  Carriage,
  FrameSource,
  GatewayList,
  RequestOptions,
  SendOptions,
  Transport,
  TransportHost,
} from './transport/transport.js';
export type { Dialect, MemberState } from './wire/packet.js';
