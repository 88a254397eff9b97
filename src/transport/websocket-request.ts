/**
 * The request that became a WebSocket: read once when the socket is accepted, because some runtimes let it be read no longer,
 * and asked which page sent it.
 */

/** What is known of a socket that a server accepted. A standard `Request` is one. */
export interface AcceptedInfo {
  /** The URL that was asked for; its host is what the server or the client calls itself, and no proof of anything. */
  readonly url?: string;
  readonly headers?: Headers;
  /** Whom it came from. */
  readonly remoteAddress?: string;
}

/** The same, as a copy of our own. */
export interface AcceptedRequest extends AcceptedInfo {
  readonly headers: Headers;
  /** Of the page that asked; other programs than browsers have none. */
  readonly origin: string | undefined;
  /** Whom it asked, or nothing. */
  readonly host: string;
}

/** Reads it, or gives nothing when that cannot be done any more: Deno's requests are closed by the upgrade. */
export function readRequest(info: AcceptedInfo): AcceptedRequest | undefined {
  try {
    const { url, remoteAddress } = info;
    const headers = new Headers(info.headers);
    const host = headers.get('host') ?? (url !== undefined && URL.canParse(url) ? new URL(url).host : '');
    return { url, headers, remoteAddress, origin: headers.get('origin') ?? undefined, host };
  } catch {
    return undefined;
  }
}

/** The origins that are allowed by default: pages of the host itself. */
export function isOwnSite(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host;
}
