/** The payloads of v1 packets: from messages to maps with the wire's short keys, and back. */
import { GossipError } from '../../errors.js';
import type { Limits } from '../../limits.js';
import { decodeValue, encodeValue, ownBytesMax, type WireEnv } from '../env.js';
import { LIST_BYTES_MAX } from '../packet.js';
import {
  asFields,
  type Fields,
  idValue,
  readAddress,
  readBoolean,
  readId,
  readInteger,
  readIso,
  readMaps,
  readMetadata,
  readState,
  readString,
  readTags,
  readU64,
} from './fields.js';
import { V1_STATES, V1_TYPE, type V1Message, type V1State } from './packet.js';

const PROTOCOL_VERSION_MAX = 0xffff;

/**
 * Encodes a message with the codec.
 * @throws GossipError `ERR_CODEC`: metadata with a value that has no encoding; nothing was sent.
 */
export function encodeMessage(message: V1Message, env: WireEnv): Uint8Array {
  return message.kind === 'data' ? message.payload : encodeValue(messageValue(message, env), env);
}

/** Keys in the order of Go's structs; `undefined` properties are left out by the codec. */
function messageValue(message: Exclude<V1Message, { kind: 'data' }>, env: WireEnv): unknown {
  switch (message.kind) {
    case 'join':
      return {
        id: idValue(message.id, env),
        addr: message.address,
        pv: message.protocolVersion,
        av: message.applicationVersion,
        s: stateNumber(message.state),
        tags: tagsValue(message.tags),
        mdts: message.metadataTime,
        md: message.metadata,
        iso: message.iso,
      };
    case 'join-reply':
      return {
        acc: message.accepted,
        rr: message.reason,
        id: idValue(message.id, env),
        addr: message.address,
        tags: tagsValue(message.tags),
        mdts: message.metadataTime,
        md: message.metadata,
        nodes: message.nodes.map((node) => ({
          id: idValue(node.id, env),
          addr: node.address,
          tags: tagsValue(node.tags),
          iso: node.iso,
        })),
        iso: message.iso,
      };
    case 'push-pull':
      return message.entries.map((entry) => ({
        id: idValue(entry.id, env),
        addr: entry.address,
        s: stateNumber(entry.state),
        sct: entry.stateTime,
        iso: entry.iso,
      }));
    case 'metadata':
      return { mdts: message.metadataTime, md: message.metadata, state: stateNumber(message.state) };
    case 'ping':
      return { sid: idValue(message.id, env), addr: message.address };
    case 'pong':
      return {
        nid: idValue(message.id, env),
        addr: message.address,
        mdts: message.metadataTime,
        md: message.metadata,
        state: stateNumber(message.state),
      };
    case 'leave':
      return null;
  }
}

function stateNumber(state: V1State): number {
  return V1_STATES.indexOf(state);
}

function tagsValue(tags: readonly string[]): readonly string[] | undefined {
  return tags.length === 0 ? undefined : tags;
}

/** The longest payload of a packet of `type`. */
export function payloadBytesMax(type: number, replyTo: number | undefined, limits: Limits): number {
  const own = ownBytesMax(limits);
  const kind = type === V1_TYPE.reply ? replyTo : type;
  switch (kind) {
    case V1_TYPE.join:
      return type === V1_TYPE.reply ? own + LIST_BYTES_MAX : own;
    case V1_TYPE.pushPull:
      return LIST_BYTES_MAX;
    case V1_TYPE.metadata:
    case V1_TYPE.ping:
      return own;
    default:
      return limits.decompressedBytesMax;
  }
}

/**
 * Decodes the payload of a packet of `type`.
 * @param replyTo - for type 0, the type of the request that was sent; it decides how the payload is read.
 * @param payload - decompressed; the `payload` of a `data` message is a view of it.
 * @throws GossipError `ERR_PACKET`, `ERR_TOO_LARGE`, `ERR_CODEC`: the packet is dropped.
 */
export function decodeMessage(type: number, replyTo: number | undefined, payload: Uint8Array, env: WireEnv): V1Message {
  if (type === V1_TYPE.reply) {
    switch (replyTo) {
      case V1_TYPE.join:
        return readJoinReply(mapOf(payload, env), payload.length, env);
      case V1_TYPE.pushPull:
        return readPushPull(payload, env);
      case V1_TYPE.ping:
        return readPong(mapOf(payload, env), payload.length, env);
      default:
        return { kind: 'data', payload };
    }
  }
  switch (type) {
    case V1_TYPE.join:
      return readJoin(mapOf(payload, env), payload.length, env);
    case V1_TYPE.leave:
      return { kind: 'leave' };
    case V1_TYPE.pushPull:
      return readPushPull(payload, env);
    case V1_TYPE.metadata: {
      const fields = mapOf(payload, env);
      return { kind: 'metadata', ...readOwn(fields, payload.length, env), state: readState(fields, 'state') };
    }
    case V1_TYPE.ping: {
      const fields = mapOf(payload, env);
      return { kind: 'ping', id: readId(fields, 'sid', env), address: readAddress(fields, env.limits) };
    }
  }
  if (type < V1_TYPE.dataMin) throw new GossipError('ERR_PACKET', `v1: message type ${type} is reserved`);
  return { kind: 'data', payload };
}

function readJoin(fields: Fields, payloadBytes: number, env: WireEnv): V1Message {
  return {
    kind: 'join',
    id: readId(fields, 'id', env),
    address: readAddress(fields, env.limits),
    protocolVersion: readInteger(fields, 'pv', PROTOCOL_VERSION_MAX),
    applicationVersion: readString(fields, 'av', env.limits),
    state: readState(fields, 's'),
    tags: readTags(fields, env.limits),
    ...readOwn(fields, payloadBytes, env),
    ...readIso(fields),
  };
}

function readJoinReply(fields: Fields, payloadBytes: number, env: WireEnv): V1Message {
  return {
    kind: 'join-reply',
    accepted: readBoolean(fields, 'acc'),
    reason: readString(fields, 'rr', env.limits),
    id: readId(fields, 'id', env),
    address: readAddress(fields, env.limits),
    tags: readTags(fields, env.limits),
    ...readOwn(fields, payloadBytes, env),
    nodes: readMaps(fields.nodes, 'nodes', env.limits.membersMax, (node) => ({
      id: readId(node, 'id', env),
      address: readAddress(node, env.limits),
      tags: readTags(node, env.limits),
      ...readIso(node),
    })),
    ...readIso(fields),
  };
}

function readPushPull(payload: Uint8Array, env: WireEnv): V1Message {
  const entries = readMaps(decodeValue(payload, env), 'entries', env.limits.membersMax, (entry) => ({
    id: readId(entry, 'id', env),
    address: readAddress(entry, env.limits),
    state: readState(entry, 's'),
    stateTime: readU64(entry, 'sct'),
    ...readIso(entry),
  }));
  return { kind: 'push-pull', entries };
}

function readPong(fields: Fields, payloadBytes: number, env: WireEnv): V1Message {
  return {
    kind: 'pong',
    id: readId(fields, 'nid', env),
    address: readAddress(fields, env.limits),
    ...readOwn(fields, payloadBytes, env),
    state: readState(fields, 'state'),
  };
}

/** What a member says about itself, in three of the messages. */
function readOwn(fields: Fields, payloadBytes: number, env: WireEnv) {
  return { metadataTime: readU64(fields, 'mdts'), metadata: readMetadata(fields, payloadBytes, env) };
}

function mapOf(payload: Uint8Array, env: WireEnv): Fields {
  return asFields(decodeValue(payload, env), 'payload');
}
