/**
 * What isogossip says to a log. The default says nothing; `console` and pino fit as they are, because every method
 * takes a message and optional fields and `trace`, `with` and `withGroup` may be missing.
 */

/** One line: a message and the fields that belong to it. */
type LogMethod = (message: string, fields?: Record<string, unknown>) => void;

/** The levels, from the most talkative. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/**
 * What an application passes as `logger`.
 *
 * `with` returns a logger that adds fields to each line, `withGroup` one that prefixes each line with a name; both are
 * optional, a logger without them (such as `console`) gets the fields and names in the line.
 */
export interface Logger {
  trace?: LogMethod;
  debug: LogMethod;
  info: LogMethod;
  warn: LogMethod;
  error: LogMethod;
  with?(fields: Record<string, unknown>): Logger;
  withGroup?(name: string): Logger;
}
