/**
 * The one seam through which another dialect takes part: the rules toward peers that do not speak ours. The core stands
 * without it; the Go library's rules are `core/v1`.
 */
import type { GossipError } from '../errors.js';
import type { AddressedPacket, BroadcastMessage } from '../wire/packet.js';
import type { V1Packet } from '../wire/v1/packet.js';
import type { Core } from './core.js';
import type { ExchangeDone, Outgoing, PacketSource } from './input.js';
import type { KnownMember } from './machine.js';
import type { MemberRow } from './row.js';

/** How a request ended. */
export type Answer = { payload: Uint8Array } | { error: GossipError };

/**
 * What a first contact found at an address: one of our own kind, with which we go on natively; a member of the other
 * dialect, which is in the table now; or why there is nobody.
 */
export type Contact = 'native' | 'foreign' | GossipError;

/** The rules of one foreign dialect for one member. All of it is called from inside `core.handle`. */
export interface ForeignDialect {
  /** A packet of that dialect arrived. */
  receive(packet: V1Packet, source: PacketSource): void;
  /** An `exchange` effect of these rules is over. */
  exchanged(result: ExchangeDone): void;
  /** Introduces us to whoever is at an address. */
  contact(address: string, done: (contact: Contact) => void): void;
  /** Pings a member its own way; `done` is called once. */
  ping(row: MemberRow, timeoutMs: number, done: (alive: boolean) => void): void;
  /** Passes a broadcast on to the foreign members that are ours to serve. */
  broadcast(message: BroadcastMessage, source: PacketSource | undefined): void;
  send(row: KnownMember, message: Outgoing, reliable: boolean, ref: number): void;
  /** Asks a member; `done` is called once. */
  request(row: KnownMember, message: Outgoing, timeoutMs: number, done: (answer: Answer) => void): void;
  /** A row of that dialect appeared or changed its state. */
  changed(row: MemberRow, first: boolean): void;
  /** Our own metadata changed. */
  metadataChanged(): void;
  /**
   * A leaf is attached to us, or said something new about itself: others of that dialect hear it from us.
   * @param gone - it is no leaf of ours any more; its row says whether it is with another gateway, has left or has died.
   */
  leafChanged(row: MemberRow, gone: boolean): void;
  /** Passes on what a leaf of ours has for one member; `answered` is called once, for a request alone. */
  pass(row: MemberRow, packet: AddressedPacket, answered: (answer: Answer) => void): void;
  /** We are leaving. */
  leave(): void;
}

/** Makes the rules for one core; none when its address is of no use to peers of that dialect. */
export type DialectFactory = (core: Core) => ForeignDialect | undefined;
