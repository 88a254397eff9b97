/**
 * The work of the tab that leads: it owns one real WebSocket per URL and carries the channels of all tabs over them. It
 * keeps nothing of what passes and sets no timer, so a hidden page does it as well as a visible one.
 */
import { errorMessage } from '../errors.js';
import { createMux, MUX_PROTOCOL, type Mux } from './mux.js';
import { closePayload, KIND, type MuxSocketOptions, type Post } from './mux-socket.js';
import type { WebSocketConstructor } from './websocket-client.js';
import { CLOSE } from './websocket-connection.js';

/** The way from a tab to the office; none of it throws. Channels are numbered by the tab. */
export interface Desk {
  /** Begins a channel; the tab is told when it is open, or closed. `target` is from {@link targetOf}. */
  dial(channel: number, target: string): void;
  post(channel: number, ...message: Parameters<Post>): void;
  /** The tab is gone. */
  leave(): void;
}

/** The tab's side: it is told what came for a channel. */
export type ToTab = (channel: number, ...message: Parameters<Post>) => void;

/** The office of a leader. */
export interface Office {
  attach(toTab: ToTab): Desk;
  /** Whether it carries any channel. */
  readonly busy: boolean;
  /** Ends every connection. */
  close(): void;
}

/** What a connection can be shared for: the same URL, asked for in the same way. */
export const targetOf = (url: string, protocols: string[]): string => JSON.stringify([url, protocols]);

/**
 * Opens the office.
 * @param onIdle - called when the last channel has ended.
 */
export function openOffice(Real: WebSocketConstructor, options: MuxSocketOptions, onIdle: () => void): Office {
  const muxes = new Map<string, Mux>();
  let carried = 0;

  const muxFor = (target: string): Mux => {
    const known = muxes.get(target);
    if (known) return known;
    const [url, protocols] = JSON.parse(target) as [string, string[]];
    const mux = createMux(new Real(url, [MUX_PROTOCOL, ...protocols]), {
      ...options,
      onEnd: () => muxes.delete(target),
    });
    muxes.set(target, mux);
    return mux;
  };

  return {
    get busy() {
      return carried > 0;
    },

    attach(toTab) {
      const posts = new Map<number, Post>();
      const forget = (channel: number): void => {
        if (!posts.delete(channel)) return;
        carried--;
        if (carried === 0) onIdle();
      };
      const refuse = (channel: number, reason: string, code?: number) =>
        toTab(channel, KIND.close, closePayload(reason, code));
      const desk: Desk = {
        dial(channel, target) {
          try {
            const post = muxFor(target).open((kind, payload) => {
              if (kind === KIND.close) forget(channel);
              toTab(channel, kind, payload);
            });
            if (!post) return refuse(channel, 'no room', CLOSE.full);
            posts.set(channel, post);
            carried++;
          } catch (error) {
            refuse(channel, errorMessage(error));
          }
        },
        post(channel, kind, payload) {
          const post = posts.get(channel);
          if (kind === KIND.close) forget(channel);
          post?.(kind, payload);
        },
        leave() {
          for (const channel of [...posts.keys()]) desk.post(channel, KIND.close, closePayload('the tab is gone'));
        },
      };
      return desk;
    },

    close() {
      for (const mux of [...muxes.values()]) mux.close('the leader left');
    },
  };
}
