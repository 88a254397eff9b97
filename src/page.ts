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
  const tell = (state: { hidden: boolean; look?: boolean; asleep?: boolean }) =>
    cluster.input({ type: 'page', ...state });
  const hidden = () => document.visibilityState === 'hidden';
  const look = () => tell({ hidden: hidden(), look: true });
  document.addEventListener('visibilitychange', () => (hidden() ? tell({ hidden: true }) : look()), { signal });
  document.addEventListener('freeze', () => tell({ hidden: true }), { signal });
  document.addEventListener('resume', look, { signal });
  addEventListener('online', look, { signal });
  addEventListener('pageshow', ({ persisted }) => persisted && look(), { signal });
  addEventListener(
    'pagehide',
    ({ persisted }) => {
      if (persisted) tell({ hidden: true, asleep: true });
      else void cluster.leave();
    },
    { signal },
  );
  const timer = setInterval(() => cluster.input({ type: 'tick' }), CLOCK_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
  if (hidden()) tell({ hidden: true });
}
