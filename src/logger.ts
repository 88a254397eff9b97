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

/** A logger with every method, as used inside. */
export interface ResolvedLogger extends Required<Logger> {
  with(fields: Record<string, unknown>): ResolvedLogger;
  withGroup(name: string): ResolvedLogger;
}

const NOTHING = () => {};

/** Fills in what an application's logger leaves out; without one, nothing is logged. */
export function resolveLogger(logger?: Logger, group = '', fields: Record<string, unknown> = {}): ResolvedLogger {
  if (!logger) {
    const silent: ResolvedLogger = {
      trace: NOTHING,
      debug: NOTHING,
      info: NOTHING,
      warn: NOTHING,
      error: NOTHING,
      with: () => silent,
      withGroup: () => silent,
    };
    return silent;
  }
  const prefix = group === '' ? '' : `${group}: `;
  const at =
    (level: LogLevel): LogMethod =>
    (message, own) => {
      const all = { ...fields, ...own };
      // A logger is the application's code: its failure must not become ours.
      try {
        const method = logger[level] ?? logger.debug;
        if (Object.keys(all).length === 0) method.call(logger, prefix + message);
        else method.call(logger, prefix + message, all);
      } catch {}
    };
  return {
    trace: logger.trace ? at('trace') : NOTHING,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (more) =>
      logger.with
        ? resolveLogger(logger.with(more), group, fields)
        : resolveLogger(logger, group, { ...fields, ...more }),
    withGroup: (name) =>
      logger.withGroup
        ? resolveLogger(logger.withGroup(name), group, fields)
        : resolveLogger(logger, group === '' ? name : `${group}.${name}`, fields),
  };
}
