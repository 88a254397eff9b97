/** What stands between a running member and whoever looks at it: a program (`json-lines.ts`) or a person (`person.ts`). */
import type { Cluster, GossipError, Logger, Member, Message, VisibleState } from '../index.js';

/** One way to show a member, and perhaps to command it. */
export interface Front {
  readonly logger: Logger;
  /**
   * Shows the member that now runs, and every change from here on.
   * @param stop - makes it leave.
   * @param gateway - the URL its leaves dial, when it takes any.
   */
  attach(cluster: Cluster, stop: () => void, gateway?: string): void;
  /** An application message, or a request that is echoed. */
  message(message: Pick<Message<unknown>, 'type' | 'data' | 'from' | 'tag'>): void;
  /** The join asked for on the command line has failed; seeds are retried all the same. */
  joinFailed(error: GossipError): void;
  /** The member has left. Resolves when everything has been written. */
  stopped(): Promise<void>;
}

/** Calls a handler for each change of another member's state, of whatever kind. */
export function onMemberChange(cluster: Cluster, handler: (member: Member, previous: VisibleState) => void): void {
  for (const name of ['joined', 'state', 'left', 'removed'] as const) {
    cluster.on(name, ({ member, previous }) => handler(member, previous));
  }
}

/** Makes a logger that takes lines of level warn and above. */
export function createStderrLogger(write: (line: string) => void): Logger {
  const line = (level: string) => (message: string, fields?: Record<string, unknown>) =>
    write(`${level}: ${message}${fields ? ` ${fieldsText(fields)}` : ''}`);
  return { debug: () => {}, info: () => {}, warn: line('warn'), error: line('error') };
}

function fieldsText(fields: Record<string, unknown>): string {
  try {
    return JSON.stringify(fields, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  } catch {
    return '';
  }
}

/** Replaces what would move a terminal's cursor or colour it: text from the network is shown, not obeyed. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}

/** Ends a stream's pending writes: resolves when the operating system has taken them, or cannot. */
export function flushed(stream: NodeJS.WritableStream & { writable: boolean }): Promise<void> {
  return new Promise((resolve) => {
    if (!stream.writable) resolve();
    else stream.write('', () => resolve());
  });
}
