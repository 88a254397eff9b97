/** Meeting peers of the Go library: our joins to them, theirs to us. Whoever joins is believed once it has answered a join of ours. */
import { joinFailure } from '../../errors.js';
import type { V1Message, V1Packet } from '../../wire/v1/packet.js';
import { v1Part } from '../addresses.js';
import { PROTOCOL_VERSION } from '../config.js';
import type { Core } from '../core.js';
import type { Contact } from '../dialect.js';
import type { Packet } from '../input.js';
import { isActive, type MemberRow } from '../row.js';
import type { V1Leaves } from './leaves.js';
import { EXCHANGE_TIMEOUT_MS, type V1Outbox } from './outbox.js';
import { V1_PROTOCOL_VERSION, type V1Peer, type V1Peers } from './peers.js';
import { isoMark, v1Address } from './shown.js';
import { joinReplySize } from './sizes.js';

/** A new v1 peer hears from each of us within this time, spread out. Source: guess. */
const INTRODUCE_WITHIN_MS = 300;

type Join = Extract<V1Message, { kind: 'join' }>;

export class Introductions {
  constructor(
    private readonly core: Core,
    private readonly peers: V1Peers,
    private readonly outbox: V1Outbox,
    private readonly leaves: V1Leaves,
  ) {}

  /** Joins whoever is at an address. */
  contact(address: string, done: (contact: Contact) => void): void {
    const packet = this.outbox.join(this.core.self, address);
    this.outbox.exchange(address, packet, EXCHANGE_TIMEOUT_MS, ({ packet: reply, error }) => {
      done(reply ? this.#met(address, reply) : joinFailure(`${address}: ${error?.message}`));
    });
  }

  /** Reads the answer to a join: adds whoever answered, under the id in the answer, and goes on to those it names. */
  #met(address: string, reply: Packet): Contact {
    if (reply.dialect !== 'v1') return 'native';
    const { message } = reply;
    const { core } = this;
    if (message.kind !== 'join-reply' || message.id !== reply.senderId) {
      return joinFailure(`${address}: the answer to our join is not one`);
    }
    if (message.id === core.self.id) {
      core.drop('idConflicts', `the answer from ${address} bears our own id ${message.id}`);
      return joinFailure(`${address}: the answer to our join bears our own id`);
    }
    if (!message.accepted) return joinFailure(`${address}: ${message.reason}`, true);
    // Our own kind sends its whole table when we go on natively.
    if (message.iso !== undefined) return 'native';
    for (const node of message.nodes) {
      const known = core.members.get(node.id);
      // Of a leaf its gateway tells us.
      if (node.id === core.self.id || known?.via || (known && isActive(known))) continue;
      core.contacts.contact(node.address);
    }
    if (core.tooFarAhead(reply.messageId)) return joinFailure(`${address}: its clock is too far ahead of ours`);

    const peer = this.peers.get(message.id);
    peer.latestId = reply.messageId;
    const at = message.address || address;
    const info = { version: message.metadataTime, metadata: message.metadata, tags: message.tags };
    peer.introduced = true;
    const row = core.members.merge(this.peers.record(message.id, at, info), core.self.id);
    if (!row) return joinFailure(`${address}: the table of members is full`);
    row.heardMs = core.nowMs;
    core.members.setAddress(row, at);
    this.leaves.met(row);
    return 'foreign';
  }

  /** A join arrived. @returns the answer. */
  onJoin(packet: V1Packet, message: Join): V1Message {
    const { core } = this;
    const { self } = core;
    const reason = this.#refusal(packet, message);
    if (reason === undefined) core.count('joinsAccepted');
    else core.drop('joinsRejected', `${packet.senderId}: ${reason}`);
    // One of our own kind only asks which dialect we speak; its native join follows.
    // Who retries its seeds while it is leaving comes to stay as little as one that says farewell.
    if (reason === undefined && message.iso === undefined && message.state !== 'leaving') this.#accept(packet, message);
    return {
      kind: 'join-reply',
      accepted: reason === undefined,
      reason: reason ?? '',
      id: self.id,
      address: v1Part(self.address, message.address) ?? '',
      tags: self.tags,
      metadataTime: self.version,
      metadata: self.metadata ?? {},
      nodes: reason === undefined ? this.#sampleNodes(message) : [],
      iso: PROTOCOL_VERSION,
    };
  }

  #refusal(packet: V1Packet, message: Join): string | undefined {
    if (message.id === this.core.self.id) return 'unable to join self';
    if (message.id !== packet.senderId) return 'the joiner is not the sender';
    if (message.iso !== undefined) return undefined;
    if (message.protocolVersion !== V1_PROTOCOL_VERSION) {
      return `incompatible protocol version: ${message.protocolVersion} != ${V1_PROTOCOL_VERSION}`;
    }
    return this.core.config.refuseVersion(message.applicationVersion);
  }

  /** Whoever is new, or names a new address, is believed once it has answered there. */
  #accept(packet: V1Packet, message: Join): void {
    const { core } = this;
    const row = core.members.get(message.id);
    if (row?.dialect !== 'v1' || row.address !== message.address || !isActive(row)) {
      core.contacts.contact(message.address);
      return;
    }
    const { metadataTime: version, metadata, tags, applicationVersion } = message;
    const peer = this.peers.get(row.id);
    if (!peer.introduced) this.leaves.met(row);
    // With the metadata that we know it has not been restarted; without any there is no telling.
    else if (version === 0n || version !== row.version) this.leaves.metAgain(row);
    peer.introduced = true;
    this.peers.heard(row, packet.messageId);
    this.peers.mergeInfo(row, { version, metadata, tags, applicationVersion });
  }

  #sampleNodes({ id: joiner, address }: Join): Extract<V1Message, { kind: 'join-reply' }>['nodes'] {
    const { core } = this;
    const size = joinReplySize(core.members.count('alive'));
    return core.random
      .sample(
        core.members.active(),
        size,
        (row) => row.state === 'alive' && row.id !== joiner && v1Address(core, row) !== undefined,
      )
      .map((row) => ({ id: row.id, address: v1Address(core, row, address) ?? '', tags: row.tags, ...isoMark(row) }));
  }

  /** A peer that others told us of must come to know us: it drops what strangers send. */
  introduceSoon(row: MemberRow, peer: V1Peer): void {
    const { core } = this;
    core.schedule(core.random.unit() * INTRODUCE_WITHIN_MS, () => {
      const now = core.members.get(row.id);
      if (now && isActive(now) && !peer.introduced) core.contacts.contact(now.address);
    });
  }
}
