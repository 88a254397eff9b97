/**
 * Broadcast: one message to every member, each delivering it once. Plumtree: a message is pushed along the links of a tree
 * and announced along the others. A link that brings what is there already is taken out of the tree; one that announces
 * what does not come is taken into it. So each message travels about N − 1 times, and the tree mends itself.
 *
 * Everybody shares one tree and all messages travel it, those with a tag too: who has not the tag passes them on only.
 *
 * @source Plumtree (Leitão, Pereira, Rodrigues 2007): §3.4 the tree, §3.5 its repair, §3.8 its optimisation.
 */
import type { BroadcastMessage, NativePacket } from '../wire/packet.js';
import { PART_BYTES, pack, unpack } from './bundle.js';
import type { Core } from './core.js';
import type { Outgoing, PacketSource } from './input.js';
import type { MemberId } from './member-id.js';
import { type Held, MessageCache } from './message-cache.js';
import { Missing } from './missing.js';
import type { Neighbour } from './neighbours.js';
import type { MemberRow } from './row.js';

/** Names of messages in one packet at most. Source: what the wire takes. */
const NAMES_MAX = 2048;
/** Bytes of a packet of several messages, and of a bundle. Source: guess, as of state packets. */
const PACKET_BYTES_MAX = 65_536;
/** What a message is taken to need in a packet beside its payload: so it has no more of them than the wire takes. */
const HEAD_BYTES = 64;
/**
 * What is sent for one graft at most, each way, as a share of what may be queued towards one peer; the rest is asked for again. Source:
 * measured, half a second of a flood; with less who is behind stays so.
 */
const GRAFT_SHARE = 0.25;
/** A way that is shorter by more hops than this takes the place of the one in the tree. Source: guess; the paper's is 3. */
const HOPS_WORTH = 3;
/** A member that has said nothing for this long is not the root any more. Source: guess. */
const ROOT_MS = 3000;
/** Hops fit a byte. */
const HOPS_MAX = 255;
/** After something has left, what comes within this time leaves together. Source: the shortest timer of most platforms. */
const COALESCE_MS = 1;
/** One list for all messages that nobody has: there are many of them. */
const NOBODY = [] as const;

type Said = Outgoing & Pick<BroadcastMessage, 'tag' | 'reliable'>;

export class Dissemination {
  readonly #cache: MessageCache;
  readonly #missing: Missing;
  /** What is to be pushed, by whom it came from. */
  readonly #outbox = new Map<MemberId | undefined, Held[]>();
  #outboxBytes = 0;
  /** What we have said since the last push: it leaves as one. */
  #said: Said[] = [];
  #saidBytes = 0;
  #pushedMs = Number.NEGATIVE_INFINITY;
  #pushArmed = false;
  /** What is to be announced. */
  #unannounced: Held[] = [];
  #announceArmed = false;
  /**
   * Of those who have broadcast lately the one with the lowest id: only its messages shape the tree. With every sender's doing
   * so, messages that meet in a circle would cut it in several places at once, and the tree would never come to rest.
   */
  #root: MemberId = '';
  #rootMs = Number.NEGATIVE_INFINITY;
  /**
   * Who brought the root's newest message, and which that is. Each such way leads to who had it sooner, so that those of all
   * make no circle: as long as nobody's is cut, everybody hears the root.
   */
  #parent: MemberId | undefined;
  #newestId = 0n;
  /** Nothing older is asked for: it was said before we took part. */
  #sinceId: bigint;

  constructor(private readonly core: Core) {
    this.#cache = new MessageCache(core);
    this.#missing = new Missing(core, (source) => this.#graft(source));
    this.#sinceId = core.mint();
  }

  /**
   * We are not alone any more; what was said before is not for us. Whoever knows us mints later times than our incarnation;
   * what our clock says now may be ahead of all that they say next.
   */
  begin(): void {
    /** Who began longer ago has been alone since. Source: guess, a start with its joins. */
    const STARTED_MS = 5000;
    const { hlc, nowMs, self } = this.core;
    const { incarnation } = self;
    this.#sinceId = hlc.aheadMs(incarnation, nowMs) > -STARTED_MS ? incarnation : this.core.mint();
  }

  stats(): Record<string, number> {
    return {
      broadcastsHeld: this.#cache.size,
      broadcastsHeldBytes: this.#cache.bytes,
      broadcastsMissing: this.#missing.size,
    };
  }

  /** Sends a broadcast of our own. */
  start(message: Said): void {
    const [first = message] = this.#said;
    const bytes = PART_BYTES + message.payload.length;
    if (
      first.tag !== message.tag ||
      first.reliable !== message.reliable ||
      this.#saidBytes + bytes > this.#packetBytesMax
    ) {
      this.#bundle();
    }
    this.core.count('broadcastsSent');
    this.#said.push(message);
    this.#saidBytes += bytes;
    if (this.#saidBytes >= PACKET_BYTES_MAX) this.push();
    this.#pushSoon();
  }

  /** What we have said goes on its way. */
  #bundle(): void {
    const { core } = this;
    const said = this.#said;
    const [first] = said;
    if (!first) return;
    this.#said = [];
    this.#saidBytes = 0;
    const messageId = core.mint();
    // Each of them has an id of its own, for who gets them one by one.
    core.hlc.observe(messageId + BigInt(said.length));
    const own = { ...first, ...pack(said), origin: core.self.id, messageId, hops: 0 };
    this.#serve(own, said, undefined);
    this.#pass(this.#held(own, 0, undefined));
  }

  /**
   * Takes a broadcast of somebody who is not in the tree, of the other dialect or a leaf of ours: delivers it and, when it
   * is new, carries it on.
   */
  enter(message: BroadcastMessage, source: PacketSource): void {
    if (!this.#deliver(message, [message], source)) return;
    this.#pass(this.#held(message, message.hops, undefined));
    this.#pushSoon();
  }

  onGossip({ from, messages }: Extract<NativePacket, { type: 'gossip' }>, source: PacketSource): void {
    const link = this.core.neighbours.met(from);
    let cycle = false;
    for (const message of messages) if (this.#take(message, from, source)) cycle = true;
    if (from !== this.#parent) {
      if (cycle) this.#prune(from);
    } else if (link?.lazy) {
      // It was under way when we asked not to be pushed to.
      this.#graft(from);
    }
    this.#pushSoon();
  }

  /** @returns whether it is one of the root's that somebody else had brought. */
  #take(message: BroadcastMessage, from: MemberId, source: PacketSource): boolean {
    const { core } = this;
    const { origin, messageId } = message;
    const parts = unpack(message);
    if (parts.length === 0) {
      core.drop('packetsMalformed', 'a bundle');
      return false;
    }
    const sender = origin === core.self.id ? core.self : core.members.get(origin);
    if (!sender) {
      // Whoever passed it on knows its sender.
      core.sync.pull(from, [origin]);
      core.strangers.hold(origin, messageId, message.payload.length, () => {
        this.#take(message, from, source);
        this.#pushSoon();
      });
      return false;
    }
    core.count('broadcastsReceived', parts.length);
    const arrived = this.#held(message, Math.min(HOPS_MAX, message.hops + 1), from);
    if (!this.#deliver(arrived, parts, source)) {
      const held = this.#cache.get(origin, messageId);
      return origin === this.#root && held !== undefined && held.from !== from;
    }
    this.#missing.arrived(origin, messageId);
    this.#pass(arrived);
    return false;
  }

  /** Delivers a message, if it is new. */
  #deliver(message: BroadcastMessage, parts: readonly Outgoing[], source: PacketSource): boolean {
    const { core } = this;
    const { origin, tag, hops } = message;
    if (origin === core.self.id) return false;
    if (!core.members.get(origin)) {
      core.drop('unknownSenders', origin);
      return false;
    }
    if (!core.history.accept(origin, message.messageId)) return false;
    if (tag === '' || core.self.tags.includes(tag)) {
      core.count('broadcastsDelivered', parts.length);
      for (const { messageType, payload } of parts) {
        core.emit({ type: 'message', from: origin, messageType, payload, tag, direct: false, hops });
      }
    }
    this.#serve(message, parts, source);
    return true;
  }

  /** To those who are not in the tree and are ours to serve: one by one. */
  #serve(message: BroadcastMessage, parts: readonly Outgoing[], source: PacketSource | undefined): void {
    const { foreign, leaves } = this.core;
    if (!foreign && !leaves.host) return;
    parts.forEach(({ messageType, payload }, i) => {
      const one = { ...message, messageId: message.messageId + BigInt(i), messageType, payload };
      foreign?.broadcast(one, source);
      leaves.host?.broadcast(one);
    });
  }

  #held(message: BroadcastMessage, hops: number, from: MemberId | undefined): Held {
    return { ...message, hops, from, atMs: this.core.nowMs, pushed: NOBODY, known: NOBODY };
  }

  /** Lets a message go on through the tree. */
  #pass(held: Held): void {
    const { origin, messageId, payload, from, atMs } = held;
    this.#cache.add(held);
    if (origin <= this.#root || atMs - this.#rootMs > ROOT_MS) {
      // What members of the other dialect say comes to many of us by itself.
      if (this.core.members.get(origin)?.dialect === 'native') {
        if (origin !== this.#root || messageId > this.#newestId) [this.#parent, this.#newestId] = [from, messageId];
        [this.#root, this.#rootMs] = [origin, atMs];
      }
    }
    const waiting = this.#outbox.get(from);
    if (waiting) waiting.push(held);
    else this.#outbox.set(from, [held]);
    this.#outboxBytes += payload.length;
    if (this.#outboxBytes >= PACKET_BYTES_MAX) this.push();
  }

  /** Pushes at once when nothing has left lately, else a moment later, with what comes until then. */
  #pushSoon(): void {
    const { core } = this;
    if (this.#outbox.size + this.#said.length === 0 || this.#pushArmed) return;
    if (core.nowMs - this.#pushedMs >= COALESCE_MS) {
      this.push();
      return;
    }
    this.#pushArmed = true;
    core.schedule(COALESCE_MS, () => {
      this.#pushArmed = false;
      this.push();
    });
  }

  /** Pushes everything that waits. */
  push(): void {
    const { core } = this;
    this.#bundle();
    if (this.#outbox.size === 0) return;
    this.#pushedMs = core.nowMs;
    for (const [from, waiting] of this.#outbox) {
      const to = this.#others(from);
      const pushed = to.map(({ id }) => id);
      for (const held of waiting) {
        held.pushed = pushed;
        this.#unannounced.push(held);
      }
      this.#send(to, waiting);
    }
    this.#outbox.clear();
    this.#outboxBytes = 0;
    this.#announceSoon();
  }

  /** Whom we push to what came from one of them. */
  #others(from: MemberId | undefined): MemberRow[] {
    const rows: MemberRow[] = [];
    for (const { id, lazy } of this.core.neighbours.all()) {
      const row = !lazy && id !== from && this.core.members.get(id);
      if (row) rows.push(row);
    }
    return rows;
  }

  /** Sends messages to members in as many packets as it takes. */
  #send(to: readonly MemberRow[], messages: readonly Held[]): void {
    if (to.length === 0) return;
    this.core.count('broadcastsRelayed', to.length * messages.length);
    let packet: Held[] = [];
    let room = 0;
    for (const held of messages) {
      const bytes = HEAD_BYTES + held.payload.length;
      room -= bytes;
      if (room < 0) {
        // Nobody looks into it before we are done.
        packet = [];
        this.core.send(to, { type: 'gossip', from: this.core.self.id, messages: packet }, true);
        room = this.#packetBytesMax - bytes;
      }
      packet.push(held);
    }
  }

  /** Where frames are small, half a frame. */
  get #packetBytesMax(): number {
    const { limits } = this.core;
    return Math.min(PACKET_BYTES_MAX, limits.frameBytesMax / 2, limits.decompressedBytesMax / 2);
  }

  /** Announces soon what has been passed on; the pushed copies have a head start. */
  #announceSoon(): void {
    if (this.#unannounced.length === 0 || this.#announceArmed) return;
    this.#announceArmed = true;
    this.core.schedule(this.core.random.jitter(this.core.timing.gossipIntervalMs, 0.25), () => {
      this.#announceArmed = false;
      const messages = this.#unannounced;
      this.#unannounced = [];
      for (const link of this.core.neighbours.all()) this.#announce(link, messages);
    });
  }

  /** Tells a neighbour of messages that it may not have. */
  #announce(link: Neighbour, messages: readonly Held[], again = false): void {
    const { core } = this;
    const row = core.members.get(link.id);
    const news = messages.filter((held) => (again ? held.from !== link.id : !has(held, link.id)));
    if (!row) return;
    while (news.length > 0) {
      core.count('ihavesSent');
      core.send(row, { type: 'ihave', from: core.self.id, messages: news.splice(0, NAMES_MAX) }, true);
    }
  }

  onIHave({ from, messages }: Extract<NativePacket, { type: 'ihave' }>): void {
    const { core } = this;
    const link = core.neighbours.met(from);
    let shorter = false;
    for (const { origin, messageId, hops } of messages) {
      const held = this.#cache.get(origin, messageId);
      if (held) {
        note(held, from);
        shorter ||= origin === this.#root && held.from === this.#parent && held.hops > hops + 1 + HOPS_WORTH;
      } else if (messageId > this.#sinceId && origin !== core.self.id && !core.history.knows(origin, messageId)) {
        this.#missing.add(origin, messageId, from);
      }
    }
    if (shorter && link?.lazy && this.#parent) {
      core.count('shortened');
      this.#prune(this.#parent);
      this.#parent = from;
      this.#graft(from);
    }
  }

  /** Asks a member to push to us from now on, and to send what we have missed of it. */
  #graft(to: MemberId): void {
    const { core } = this;
    const messages = this.#missing.of(to);
    const row = core.members.get(to);
    const link = core.neighbours.get(to);
    if (link) link.lazy = false;
    if (!row) return;
    core.count('grafts');
    do core.send(row, { type: 'graft', from: core.self.id, messages: messages.splice(0, NAMES_MAX) }, true);
    while (messages.length > 0);
    // What the root says comes from there.
    this.#catchUp(
      row,
      this.#untold(to).filter(({ origin }) => origin !== this.#root),
    );
  }

  onGraft({ from, messages }: Extract<NativePacket, { type: 'graft' }>, sender: MemberRow): void {
    const link = this.core.neighbours.met(from);
    if (link) link.lazy = false;
    const asked = messages.map(({ origin, messageId }) => this.#cache.get(origin, messageId));
    this.#catchUp(sender, new Set([...asked, ...this.#untold(from)]));
  }

  /** What a member would be told of next. */
  #untold(id: MemberId): Held[] {
    return this.#unannounced.filter((held) => !has(held, id));
  }

  /** Pushes to a member whose link is of the tree again what it was not pushed before. */
  #catchUp(to: MemberRow, messages: Iterable<Held | undefined>): void {
    const bytesMax = this.core.limits.sendQueueBytesMax * GRAFT_SHARE;
    const sent: Held[] = [];
    let bytes = 0;
    for (const held of messages) {
      if (!held || bytes > bytesMax) continue;
      note(held, to.id);
      sent.push(held);
      bytes += held.payload.length;
    }
    this.#send([to], sent);
  }

  /** Asks a member not to push to us any more. */
  #prune(to: MemberId): void {
    const { core } = this;
    const row = core.members.get(to);
    const link = core.neighbours.get(to);
    if (link) link.lazy = true;
    if (!row) return;
    core.count('prunes');
    core.send(row, { type: 'prune', from: core.self.id }, true);
  }

  onPrune({ from }: Extract<NativePacket, { type: 'prune' }>): void {
    const link = this.core.neighbours.get(from);
    if (from === this.#parent) this.#graft(from);
    // Said back: a graft of ours may have been under way, by which the other side would take the link for one of the tree.
    else if (link?.lazy === false) this.#prune(from);
  }

  /** There is a new link, or an old one is back: it begins in the tree, and brings what one side has missed. */
  linked(link: Neighbour): void {
    link.lazy = false;
    this.#announce(link, this.#cache.latest(NAMES_MAX), true);
  }

  /** A link has gone, perhaps of the tree: another must take its place as soon as we know which. */
  unlinked(): void {
    this.#missing.hurry();
  }

  tidy(): void {
    this.#cache.prune();
  }
}

/** Whether a member has a message, as far as we know. */
function has({ from, pushed, known }: Held, id: MemberId): boolean {
  return from === id || pushed.includes(id) || known.includes(id);
}

/** Remembers that a member has a message; of more members than there are neighbours. */
function note(held: Held, id: MemberId): void {
  if (held.known.length < 255 && !has(held, id)) held.known = [...held.known, id];
}
