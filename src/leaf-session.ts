/**
 * The gateway's end of one leaf's connection: first who it is, then what it sends, each within its limits; and what it is
 * sent, as fast as it takes it.
 */
import {
  type Admission,
  type Authorize,
  decide,
  type LeafLimits,
  type LeafMessage,
  type LeafPolicy,
  type LeafRequest,
  readCookies,
} from './admission.js';
import type { Clock } from './clock.js';
import type { LeafEvent } from './core/leaves.js';
import { isMemberId, type MemberId } from './core/member-id.js';
import { NO_METADATA } from './core/metadata.js';
import { errorMessage, type GossipError } from './errors.js';
import type { Member } from './events.js';
import { MUX_PROTOCOL } from './transport/mux.js';
import type { AcceptedInfo } from './transport/websocket.js';
import { CLOSE, WebSocketConnection, type WebSocketLike } from './transport/websocket-connection.js';
import { idOfProof } from './uuid.js';
import type { NativeEnv } from './wire/env.js';
import { decodeOpenFrame } from './wire/native/open-frame.js';
import type { ByeWhy, NativePacket } from './wire/packet.js';

/** A connection must be open, and the leaf admitted, within this. Source: as `webSocketTransport`. */
const ATTACH_MS = 10_000;
/** The connection is closed after this long without traffic; the gateway's own pings are traffic. Source: a hidden page's time. */
const IDLE_MS = 120_000;
/** A share of its queue from which on a leaf counts as slow. Source: guess. */
const SLOW_SHARE = 16;
/** Refused packets after which it is expelled; one a second is forgiven. Source: guess. */
const STRIKES_MAX = 500;

/**
 * With this code, which no program in a page can give, Firefox closes when its page goes, and before it tells the page. Other
 * browsers give it also when a page crashed or was frozen. Source: RFC 6455, section 7.4.1; measured.
 */
const GOING_AWAY = 1001;
const SAYS_SO_OF_PAGES_THAT_GO = /\bFirefox\//;

const CODE: Record<ByeWhy, number> = {
  refused: CLOSE.refused,
  moved: CLOSE.moved,
  closing: CLOSE.going,
  slow: CLOSE.slow,
  abusive: CLOSE.abusive,
  left: CLOSE.done,
};

type Attach = Extract<NativePacket, { type: 'attach' }>;

/** What a leaf's session needs of its gateway. */
export interface GatewayShell {
  readonly id: MemberId;
  readonly env: NativeEnv;
  readonly clock: Clock;
  readonly limits: LeafLimits;
  readonly policy: LeafPolicy;
  readonly authorize: Authorize | undefined;
  /** The frame of a packet, which goes to many and is not changed. */
  encode(packet: NativePacket): Uint8Array<ArrayBuffer>;
  event(event: LeafEvent): void;
  member(id: MemberId): Member | undefined;
  drop(name: string, detail: string): void;
  ended(session: LeafSession): void;
}

export class LeafSession {
  readonly connection: WebSocketConnection;
  #phase: 'new' | 'asked' | 'admitted' | 'ended' = 'new';
  #id: MemberId = '';
  #limits: LeafLimits;
  #policy: LeafPolicy;
  #slow = false;
  readonly #bornMs: number;
  /** What it may still send now, at first the most, and since when that is true. */
  #messages = Number.POSITIVE_INFINITY;
  #bytes = Number.POSITIVE_INFINITY;
  #filledMs: number;
  #strikes = 0;

  constructor(
    readonly number: number,
    socket: WebSocketLike,
    private readonly info: AcceptedInfo,
    private readonly gateway: GatewayShell,
  ) {
    this.#limits = gateway.limits;
    this.#policy = gateway.policy;
    this.#bornMs = this.#filledMs = gateway.clock.now();
    const { queueBytesMax } = gateway.limits;
    this.connection = new WebSocketConnection(socket, {
      limits: { ...gateway.env.limits, sendQueueBytesMax: queueBytesMax },
      highWaterBytes: queueBytesMax / SLOW_SHARE,
      timeoutMs: ATTACH_MS,
      idleTimeoutMs: IDLE_MS,
      role: 'accepted',
      ownAddress: '-',
      count: (name, detail) => gateway.drop(`leaf.${name}`, detail ?? ''),
      onHello() {},
      onFrame: (frame) => this.#frame(frame),
      onClose: (_quietly, _reason, code) => {
        const browser = info.headers?.get('user-agent') ?? '';
        const away = code === GOING_AWAY && SAYS_SO_OF_PAGES_THAT_GO.test(browser);
        if (this.#phase === 'admitted') gateway.event({ kind: 'closed', session: number, away });
        this.#phase = 'ended';
        gateway.ended(this);
      },
    });
  }

  /** Applies the deadlines. */
  check(nowMs: number): void {
    this.connection.check(nowMs);
    const late = this.#phase !== 'admitted' && this.gateway.clock.now() - this.#bornMs > ATTACH_MS;
    // Without a hello, or closed, it is no longer ours to judge.
    if (late && this.connection.usable) this.#refuse('not admitted in time');
  }

  /** Sends a frame; a leaf that does not take what it gets is told of changes later, all at once, and in the end closed. */
  send(frame: Uint8Array<ArrayBuffer>): void {
    if (!this.connection.usable) return;
    const sent = this.connection.write(frame);
    if (!this.#slow && !this.connection.quiet) this.#setSlow(true);
    sent.then(
      () => {
        if (this.#slow && this.connection.quiet) this.#setSlow(false);
      },
      (error: GossipError) => {
        if (error.code === 'ERR_OVERLOADED') this.#expel('slow', 'limits.queueBytesMax is waiting for it');
      },
    );
  }

  close(why: ByeWhy, reason: string): void {
    this.#phase = 'ended';
    this.connection.close(CODE[why], closeReason(reason));
  }

  #setSlow(slow: boolean): void {
    this.#slow = slow;
    if (this.#phase === 'admitted') this.gateway.event({ kind: 'slow', session: this.number, slow });
  }

  #expel(why: ByeWhy, reason: string): void {
    if (this.#phase === 'admitted') this.gateway.event({ kind: 'expel', session: this.number, why, reason });
  }

  /** Not admitted: it is told why, and closed. */
  #refuse(reason: string): void {
    const { gateway } = this;
    gateway.drop('leavesRefused', reason);
    this.send(gateway.encode({ type: 'bye', from: gateway.id, why: 'refused', reason }));
    this.close('refused', reason);
  }

  #frame(frame: Uint8Array): void {
    const { gateway } = this;
    if (this.#phase === 'ended') return;
    let packet: NativePacket;
    try {
      packet = decodeOpenFrame(frame, gateway.env);
    } catch (error) {
      this.#strike('leafFramesMalformed', errorMessage(error));
      return;
    }
    if (this.#phase === 'asked') this.#strike('leafPacketsEarly', `${packet.type} before it was admitted`);
    else if (this.#phase === 'new') {
      if (packet.type === 'attach') void this.#attach(packet);
      else this.#refuse('the first packet must be attach');
    } else if (this.#phase === 'admitted' && this.#isWelcome(packet, frame.length)) {
      gateway.event({ kind: 'packet', session: this.number, packet });
    }
  }

  async #attach(packet: Attach): Promise<void> {
    this.#phase = 'asked';
    const { gateway } = this;
    const verdict = await decide(gateway.authorize, this.#request(packet), (reason) => {
      gateway.drop('authorizeFailed', reason);
    });
    const admission = typeof verdict === 'string' ? verdict : await this.#mayBe(packet, verdict);
    if ((this.#phase as string) === 'ended') return;
    if (typeof admission === 'string') {
      this.#refuse(admission);
      return;
    }
    const { record, hidden, fingerprint, members } = packet;
    const id = admission.id ?? record.id;
    this.#id = id;
    this.#limits = { ...this.#limits, ...admission.limits };
    this.#policy = admission.policy ?? this.#policy;
    const { incarnation, version, protocolVersion, applicationVersion, metadata = NO_METADATA, metadataBytes } = record;
    if (metadataBytes > this.#limits.metadataBytesMax) {
      this.#refuse(`metadata of ${metadataBytes} bytes; a leaf may have ${this.#limits.metadataBytesMax}`);
      return;
    }
    this.#phase = 'admitted';
    gateway.event({
      kind: 'attach',
      session: this.number,
      record: {
        id,
        incarnation,
        version,
        tags: admission.tags ?? record.tags,
        protocolVersion,
        applicationVersion,
        metadata,
        metadataBytes,
      },
      hidden,
      fingerprint,
      members,
      sees: this.#policy.see && ((other) => this.#sees(other)),
    });
  }

  #request({ record, ticket }: Attach): LeafRequest {
    const { url, headers = new Headers(), remoteAddress } = this.info;
    return {
      id: record.id,
      tags: record.tags,
      metadata: record.metadata ?? NO_METADATA,
      applicationVersion: record.applicationVersion,
      ticket,
      url: url !== undefined && URL.canParse(url, 'ws://leaf') ? new URL(url, 'ws://leaf') : undefined,
      headers,
      cookies: readCookies(headers.get('cookie')),
      origin: headers.get('origin') ?? undefined,
      protocols: (headers.get('sec-websocket-protocol') ?? '')
        .split(/\s*,\s*/)
        .filter((one) => one && one !== MUX_PROTOCOL),
      remoteAddress,
    };
  }

  /** An id that is in use is taken over by its owner alone. */
  async #mayBe({ record, from, proof }: Attach, admission: Admission): Promise<Admission | string> {
    if (record.id !== from) return 'its record is that of another member';
    if (admission.id !== undefined) {
      const id = admission.id.toLowerCase();
      return isMemberId(id) ? { ...admission, id } : `authorize gave the id "${admission.id}", which is no UUID`;
    }
    const state = this.gateway.member(record.id)?.state;
    if (state !== 'alive' && state !== 'suspect') return admission;
    const proven = proof.length > 0 && (await idOfProof(proof)) === record.id;
    return proven ? admission : 'its id is in use, and it has not shown that it is its own';
  }

  /** Whether a packet keeps to its limits. */
  #isWelcome(packet: NativePacket, bytes: number): boolean {
    const limits = this.#limits;
    const isApplications = 'payload' in packet;
    if (!this.#fits(bytes)) {
      this.#turnAway(packet, 'leafOverRate', `${this.#id} sends more than it may`);
    } else if (packet.type === 'state' && (packet.records[0]?.metadataBytes ?? 0) > limits.metadataBytesMax) {
      this.#turnAway(packet, 'leafOverSize', `metadata of ${packet.records[0]?.metadataBytes} bytes`);
    } else if (!isApplications || packet.type === 'reply') {
      return true;
    } else if (packet.payload.length > limits.payloadBytesMax) {
      this.#turnAway(packet, 'leafOverSize', `${packet.payload.length} bytes of ${this.#id}`);
    } else if (!(limits.types?.includes(packet.messageType) ?? true) || !this.#maySend(packet)) {
      this.#turnAway(packet, 'leafNotAllowed', `type ${packet.messageType} of ${this.#id}`);
    } else return true;
    return false;
  }

  #maySend(packet: Extract<NativePacket, { messageType: number }>): boolean {
    if (!this.#policy.send) return true;
    const { gateway } = this;
    const leaf = gateway.member(this.#id);
    if (!leaf) return false;
    const to = 'to' in packet ? gateway.member(packet.to) : undefined;
    const message: LeafMessage = {
      kind: packet.type,
      type: packet.messageType,
      tag: 'tag' in packet ? packet.tag : '',
      to,
    };
    return this.#ask(() => this.#policy.send?.(leaf, message));
  }

  #sees(id: MemberId): boolean {
    const { gateway } = this;
    const [leaf, member] = [gateway.member(this.#id), gateway.member(id)] as [Member, Member];
    // Who is not there any more can be forgotten.
    return id === this.#id || !leaf || !member || this.#ask(() => this.#policy.see?.(leaf, member));
  }

  /** A policy that fails allows nothing. */
  #ask(policy: () => boolean | undefined): boolean {
    try {
      return policy() === true;
    } catch (error) {
      this.gateway.drop('policiesFailed', errorMessage(error));
      return false;
    }
  }

  /** Takes from what may be sent now; both fill up with time, to two seconds' worth. */
  #fits(bytes: number): boolean {
    const { messagesPerS, bytesPerS } = this.#limits;
    const nowMs = this.gateway.clock.now();
    const seconds = (nowMs - this.#filledMs) / 1000;
    this.#strikes = Math.max(0, this.#strikes - seconds);
    this.#messages = Math.min(messagesPerS * 2, this.#messages + messagesPerS * seconds);
    this.#bytes = Math.min(bytesPerS * 2, this.#bytes + bytesPerS * seconds);
    this.#filledMs = nowMs;
    if (bytes > this.#bytes || this.#messages < 1) return false;
    this.#bytes -= bytes;
    this.#messages--;
    return true;
  }

  /** Who asks and may not is told; everybody else finds it in our counters. */
  #turnAway(packet: NativePacket, name: string, detail: string): void {
    const { gateway } = this;
    if (packet.type === 'request') {
      const { from, to, messageId } = packet;
      const reply = { type: 'reply', from: to, to: from, messageId, status: 'refused' } as const;
      this.send(gateway.encode({ ...reply, payload: new Uint8Array() }));
    }
    this.#strike(name, detail);
  }

  #strike(name: string, detail: string): void {
    this.gateway.drop(name, detail);
    if (++this.#strikes < STRIKES_MAX) return;
    if (this.#phase === 'admitted') this.#expel('abusive', `${name}, again and again`);
    else this.#refuse(name);
  }
}

/** A close frame holds 123 bytes. */
function closeReason(reason: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(reason).subarray(0, 120)).replace(/\ufffd$/, '');
}
