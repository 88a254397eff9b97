/**
 * What a page's life means for its leaf: hidden pages are rarely allowed to run, frozen ones never, those in the
 * back-forward cache must hold no connection, and one that goes for good says so.
 */
import type { Cluster } from './cluster.js';

/** How often a page looks at the clock: a sleep of its machine is told by nothing else. Source: guess, half of what is promised. */
const CLOCK_MS = 1000;

/** Tells a leaf of its page; does nothing where there is none, as in workers and servers. Ends with the signal. */
export function watchPage(cluster: Cluster, signal: AbortSignal): void {
  const { document, addEventListener } = globalThis as Partial<typeof globalThis>;
  if (!document || !addEventListener) return;
  const isHidden = () => document.visibilityState === 'hidden';
  const tell = (look: boolean, hidden = isHidden(), asleep = false) =>
    cluster.input({ type: 'page', hidden, look, asleep });
  const look = () => tell(true);
  const options = { signal };
  document.addEventListener('visibilitychange', () => tell(false), options);
  document.addEventListener('freeze', () => tell(false, true), options);
  document.addEventListener('resume', look, options);
  addEventListener('online', look, options);
  addEventListener('pageshow', ({ persisted }) => persisted && look(), options);
  addEventListener('pagehide', ({ persisted }) => (persisted ? tell(false, true, true) : cluster.leave()), options);
  const timer = setInterval(() => cluster.input({ type: 'tick' }), CLOCK_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
  if (isHidden()) tell(false);
}
