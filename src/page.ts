/**
 * What a page's life means for its leaf: hidden pages are rarely allowed to run, frozen ones never, those in the
 * back-forward cache must hold no connection, and one that goes for good says so.
 */
import type { Cluster } from './cluster.js';

/** Tells a leaf of its page; does nothing where there is none, as in workers and servers. Ends with the signal. */
export function watchPage(cluster: Cluster, signal: AbortSignal): void {
  const { document, addEventListener } = globalThis as Partial<typeof globalThis>;
  if (!document || !addEventListener) return;
  const tell = (hidden: boolean, asleep = false) => cluster.input({ type: 'page', hidden, asleep });
  const look = () => tell(document.visibilityState === 'hidden');
  document.addEventListener('visibilitychange', look, { signal });
  document.addEventListener('freeze', () => tell(true), { signal });
  document.addEventListener('resume', look, { signal });
  addEventListener('online', look, { signal });
  addEventListener('pageshow', ({ persisted }) => persisted && look(), { signal });
  addEventListener(
    'pagehide',
    ({ persisted }) => {
      if (persisted) tell(true, true);
      else void cluster.leave();
    },
    { signal },
  );
  if (document.visibilityState === 'hidden') look();
}
