/**
 * workerd keeps connections after an HTTP request, and begins the next one, or a WebSocket, on any of them: also on one that its
 * other end has just closed. That attempt fails with the words below, as it does when nobody listens; the next gets another
 * connection. Other runtimes begin anew by themselves.
 *
 * @source `NetworkAddressHttpClient` of capnproto's kj, which pools both; 5 s of rest at both ends.
 */
import { errorMessage } from '../errors.js';

const KEPT_TOO_LONG = /Network connection lost/;

/** How often it is begun anew. Source: five in a row were seen; twice that. */
const KEPT_TRIES = 10;

/** Makes an attempt, and others while they may have failed only because of the connection that was kept. */
export function retryKept<T>(attempt: () => Promise<T>, left = KEPT_TRIES): Promise<T> {
  return attempt().catch((error) => {
    if (left === 0 || !KEPT_TOO_LONG.test(errorMessage(error))) throw error;
    return retryKept(attempt, left - 1);
  });
}
