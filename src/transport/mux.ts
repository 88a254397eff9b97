/**
 * Many sockets over one: each message of the real WebSocket begins with the number of a channel and the kind of what
 * follows. Who dialled opens channels; who accepted gets a socket for each, that looks like any other.
 */
import { errorMessage } from '../errors.js';
import type { Limits } from '../limits.js';
import { closePayload, KIND, MuxSocket, type Post } from './mux-socket.js';
import { CLOSE, type WebSocketLike } from './websocket-connection.js';

/** The subprotocol by which who dials asks for it; browsers cannot send headers of their own. */
export const MUX_PROTOCOL = 'isogossip.mux';
/** What a frame has at most beside its payload: the number of a channel and a kind. */
export const MUX_HEADER_BYTES_MAX = 6;

// Channels of one connection. Source: guess, more tabs of one site than anybody keeps.
const CHANNELS_MAX = 64;
// An accepted connection without a channel ends after this. Source: as the time for a hello.
const EMPTY_MS = 10_000;
// readyState, which is a number everywhere.
const OPEN = 1;
const NOTHING = new Uint8Array(0);

/** One end of a shared connection. */
export interface Mux {
  /**
   * Begins a channel, now or when the connection is open, which its sink is told by {@link KIND.open}.
   * @returns `undefined` when there are too many.
   */
  open(sink: Post): Post | undefined;
  /** Ends the connection and all of its channels. */
  close(reason: string): void;
}

/** What an end needs, and whom it tells. */
export interface MuxOptions {
  limits: Pick<Limits, 'frameBytesMax' | 'sendQueueBytesMax'>;
  count(name: string, detail?: string): void;
  /** Makes the sink of a channel that the other end opens; who dialled has none. */
  accept?(post: Post): Post;
  /** It carries nothing any more. Called once, before its channels are told. */
  onEnd?(): void;
}

/** Takes over a WebSocket, open or about to be. */
export function createMux(socket: WebSocketLike, options: MuxOptions): Mux {
  const { limits, count, accept, onEnd } = options;
  const channels = new Map<number, Post>();
  // What all windows of its channels may hold, and as much again of large messages and answers.
  const bufferedMax = 2 * limits.sendQueueBytesMax;
  let last = 0;
  let ready = false;
  let ended = false;
  let emptyTimer: ReturnType<typeof setTimeout> | undefined;

  const end = (code: number, reason: string): void => {
    if (ended) return;
    ended = true;
    clearTimeout(emptyTimer);
    onEnd?.();
    const sinks = [...channels.values()];
    channels.clear();
    for (const sink of sinks) sink(KIND.close, closePayload(`the shared connection ended: ${reason}`));
    try {
      socket.close(code, reason);
    } catch {
      // It is closed already.
    }
  };

  const refuse = (counted: string, code: number, reason: string): void => {
    count(counted, reason);
    end(code, reason);
  };

  /** Who dialled knows that no other channel is coming; who accepted waits a while for one. */
  const onEmpty = (): void => {
    if (!accept) {
      end(CLOSE.done, 'nothing to carry');
      return;
    }
    clearTimeout(emptyTimer);
    emptyTimer = setTimeout(() => {
      if (channels.size === 0) refuse('slowConnections', CLOSE.idle, 'no channel');
    }, EMPTY_MS);
    // A number in browsers and workers.
    (emptyTimer as { unref?(): void }).unref?.();
  };

  const write = (channel: number, kind: number, payload: Uint8Array): void => {
    if (ended) return;
    if ((socket.bufferedAmount ?? 0) > bufferedMax) {
      refuse('stalledConnections', CLOSE.slow, 'the peer takes less than it is sent');
      socket.terminate?.();
      return;
    }
    try {
      socket.send(encode(channel, kind, payload));
    } catch (error) {
      end(CLOSE.done, errorMessage(error));
    }
  };

  /** The way out of a channel, for as long as there is one. */
  const postOf =
    (channel: number): Post =>
    (kind, payload) => {
      const known = kind === KIND.close ? channels.delete(channel) : channels.has(channel);
      if (!known) return;
      if (ready) write(channel, kind, payload);
      if (channels.size === 0) onEmpty();
    };

  const announce = (channel: number): void => {
    write(channel, KIND.open, NOTHING);
    channels.get(channel)?.(KIND.open, NOTHING);
  };

  const onOpen = (): void => {
    ready = true;
    if (accept) return;
    if (socket.protocol === MUX_PROTOCOL) for (const channel of channels.keys()) announce(channel);
    else refuse('badHellos', CLOSE.protocol, `the server does not speak ${MUX_PROTOCOL}`);
  };

  const onChannel = (channel: number): void => {
    if (!accept || channel <= last) {
      refuse('badFrames', CLOSE.protocol, `channel ${channel} after ${last}`);
      return;
    }
    last = channel;
    if (channels.size >= CHANNELS_MAX) {
      count('refusedConnections', `${CHANNELS_MAX} channels`);
      write(channel, KIND.close, closePayload('no room', CLOSE.full));
      return;
    }
    // It may speak, and even close, before it is known what hears it.
    channels.set(channel, () => {});
    const sink = accept(postOf(channel));
    if (channels.has(channel)) channels.set(channel, sink);
  };

  const onMessage = (data: unknown): void => {
    if (ended) return;
    const frame = data instanceof ArrayBuffer ? decode(new Uint8Array(data)) : undefined;
    if (!frame) {
      refuse('badFrames', CLOSE.protocol, 'not a channel and a kind');
      return;
    }
    const { channel, kind, payload } = frame;
    if (kind === KIND.open) {
      onChannel(channel);
      return;
    }
    // What is not known has ended here a moment ago.
    const sink = channels.get(channel);
    if (kind === KIND.close) channels.delete(channel);
    sink?.(kind, payload);
    if (sink && channels.size === 0) onEmpty();
  };

  // The default differs between runtimes.
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('open', onOpen);
  socket.addEventListener('message', ({ data }) => onMessage(data));
  // Node's own client tells of a failed dial by nothing else.
  socket.addEventListener('error', ({ message }) => end(CLOSE.done, message || 'it failed'));
  socket.addEventListener('close', ({ code, reason }) => end(CLOSE.done, `closed with ${code} ${reason ?? ''}`.trim()));
  if (socket.readyState === OPEN) onOpen();
  else if (socket.readyState > OPEN) queueMicrotask(() => end(CLOSE.done, 'closed before it was used'));
  if (accept) onEmpty();

  return {
    open(sink) {
      if (ended || channels.size >= CHANNELS_MAX) return undefined;
      const channel = ++last;
      channels.set(channel, sink);
      // Later, so that nobody hears of it while still asking for it.
      if (ready) queueMicrotask(() => channels.has(channel) && announce(channel));
      return postOf(channel);
    },
    close: (reason) => end(CLOSE.done, reason),
  };
}

/**
 * Takes over a WebSocket that a server accepted with the subprotocol {@link MUX_PROTOCOL}. Never throws.
 * @param onSocket - gets each channel as an open socket, to be used as if it had been accepted by itself.
 */
export function acceptMux(
  socket: WebSocketLike,
  onSocket: (socket: WebSocketLike) => void,
  options: Pick<MuxOptions, 'limits' | 'count'>,
): void {
  createMux(socket, {
    ...options,
    accept(post) {
      const virtual = new MuxSocket(post, options);
      virtual.receive(KIND.open, NOTHING);
      onSocket(virtual);
      return (kind, payload) => virtual.receive(kind, payload);
    },
  });
}

/** `[varint channel][u8 kind][payload]` */
function encode(channel: number, kind: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const header: number[] = [];
  let rest = channel;
  for (; rest > 127; rest >>>= 7) header.push((rest & 127) | 128);
  header.push(rest, kind);
  const frame = new Uint8Array(header.length + payload.length);
  frame.set(header);
  frame.set(payload, header.length);
  return frame;
}

/** The parts of a frame; the payload is a view. */
function decode(frame: Uint8Array<ArrayBuffer>) {
  let channel = 0;
  for (let at = 0; at < MUX_HEADER_BYTES_MAX - 1; at++) {
    const byte = frame[at] ?? 128;
    channel += (byte & 127) * 2 ** (7 * at);
    if (byte > 127) continue;
    const kind = frame[at + 1];
    if (kind === undefined || channel > 0xffffffff) return undefined;
    return { channel, kind, payload: frame.subarray(at + 2) };
  }
  return undefined;
}
