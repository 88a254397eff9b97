/**
 * Exchanges: frames that are answered on the connection by which they came. Only peers of the Go library ask for such
 * answers, and so this comes with the plug-in for them.
 */
import type { Effect } from './core/effect.js';
import type { Packet, PacketSource } from './core/input.js';
import { NOBODY } from './core/member-id.js';
import { type GossipError, toGossipError } from './errors.js';
import type { Link } from './link.js';

/** What the core asks for. */
type ExchangeEffect = Extract<Effect, { type: 'exchange' | 'respond' }>;

export class Exchanges {
  readonly #waiting = new Map<number, (answer: Packet | undefined) => void>();
  #last = 0;

  constructor(private readonly link: Link) {}

  perform(effect: ExchangeEffect): void {
    const { exchange, packet } = effect;
    if (effect.type === 'respond') {
      this.#waiting.get(exchange)?.(packet);
      return;
    }
    const { owner } = this.link;
    this.ask(effect.to, effect.packet, effect.timeoutMs).then(
      (answer) => owner?.input({ type: 'exchange-done', exchange, packet: answer }),
      (error: GossipError) => owner?.input({ type: 'exchange-done', exchange, error }),
    );
  }

  /**
   * Sends a v1 packet and decodes the frame that answers it. Whoever is at the end of a carrier that does not take such
   * packets speaks native only, and need not be asked. Never throws anything but a GossipError.
   */
  async ask(to: string, packet: Packet, timeoutMs: number): Promise<Packet> {
    const { wire, transport } = this.link;
    let answer: Uint8Array | undefined;
    try {
      const part = this.link.part(to);
      const carriage = transport.carriage(part);
      if (carriage === 'native') return { type: 'native-only', from: NOBODY };
      const plain = carriage === 'v1-plain';
      const frame = await wire.encode(packet, plain);
      answer = await transport.request(part, frame, { timeoutMs });
      return await wire.decode(answer, plain, packet.dialect === 'v1' ? packet.type : undefined);
    } catch (error) {
      if (answer) this.link.dropFrame(error, to);
      throw toGossipError(error, 'ERR_UNREACHABLE');
    }
  }

  /** Takes a frame whose sender waits on the connection. @returns the frame that answers it, if one does. */
  async receive(frame: Uint8Array, source: PacketSource, plain: boolean): Promise<Uint8Array | undefined> {
    const exchange = ++this.#last;
    const packet = await new Promise<Packet | undefined>((resolve) => {
      this.#waiting.set(exchange, resolve);
      this.link.open(frame, { ...source, exchange }, plain, () => resolve(undefined));
    });
    this.#waiting.delete(exchange);
    return packet && this.link.encode(packet, plain);
  }
}
