/**
 * workerd keeps connections after an HTTP request, and begins the next one, or a WebSocket, on any of them: also on one that its
 * other end has just closed. That attempt fails with the words below, as it does when nobody listens; the next gets another
 * connection. Other runtimes begin anew by themselves.
 *
 * @source `NetworkAddressHttpClient` of capnproto's kj, which pools both; 5 s of rest at both ends.
 */
const KEPT_TOO_LONG = /Network connection lost/;

/** How often it is begun anew. Source: five in a row were seen; twice that. */
export const KEPT_TRIES = 10;

/** Whether an attempt may have failed only because of the connection that was kept. */
export function keptTooLong(why: string): boolean {
  return KEPT_TOO_LONG.test(why);
}
