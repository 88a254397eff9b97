/**
 * What isogossip says to a log. The default says nothing; `console` and pino fit as they are, because every method
 * takes a message and optional fields and `trace`, `with` and `withGroup` may be missing. Pino, known by its `bindings`,
 * is given the fields first, as it wants them.
 */

/** One line: a message and the fields that belong to it. */
export type LogMethod = (message: string, fields?: Record<string, unknown>) => void;

/** The levels, from the most talkative. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** So that `logger: pino()` compiles: its types make of every method asked for one that returns nothing. */
type Nothing = ReturnType<LogMethod>;

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
  with?(fields: Record<string, unknown>): Logger | Nothing;
  withGroup?(name: string): Logger | Nothing;
}

/** A logger with every method, as used inside. */
export interface ResolvedLogger extends Required<Logger> {
  with(fields: Record<string, unknown>): ResolvedLogger;
  withGroup(name: string): ResolvedLogger;
}

/** Fills in what an application's logger leaves out; without one, nothing is logged. */
export function resolveLogger(
  logger: Partial<Logger> = {},
  group = '',
  fields: Record<string, unknown> = {},
): ResolvedLogger {
  const prefix = group && `${group}: `;
  const at =
    (level: LogLevel): LogMethod =>
    (message, own) => {
      const all = { ...fields, ...own };
      const line = prefix + message;
      const empty = Object.keys(all).length === 0;
      const method = logger[level] as ((...line: unknown[]) => void) | undefined;
      // A logger is the application's code: its failure must not become ours.
      try {
        method?.apply(logger, empty ? [line] : 'bindings' in logger ? [all, line] : [line, all]);
      } catch {}
    };
  /** What the application's logger makes of it, or the same logger with more in each line. */
  const child = (own: Logger | Nothing | undefined, ...inLine: [string, Record<string, unknown>]) =>
    own ? resolveLogger(own, group, fields) : resolveLogger(logger, ...inLine);
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (more) => child(logger.with?.(more), group, { ...fields, ...more }),
    withGroup: (name) => child(logger.withGroup?.(name), group ? `${group}.${name}` : name, fields),
  };
}
