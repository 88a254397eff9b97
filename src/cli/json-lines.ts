/**
 * The program's interface: events as JSON lines out, commands as JSON lines in. Every command gets exactly one answer, in
 * the order in which they are done; its `ref` says which command it belongs to.
 */
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { type Cluster, defineMessage, defineRequest, GossipError, type Member } from '../index.js';
import { createStderrLogger, type Front, flushed, onMemberChange } from './front.js';
import { fromJson, toJson } from './values.js';

interface Streams {
  input: Readable;
  output: Writable;
  errors: Writable;
}

type Command = Readonly<Record<string, unknown>>;

/** The longest wait that a timer can hold. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** Makes the interface on three streams. */
export function createJsonFront({ input, output, errors }: Streams): Front {
  const pending = new Set<Promise<void>>();
  const emit = (event: Record<string, unknown>) => {
    output.write(`${JSON.stringify(event)}\n`);
  };

  const serve = async (line: string, cluster: Cluster, stop: () => void) => {
    let ref: unknown;
    try {
      const command = parseLine(line);
      ref = command.ref;
      const answer = await run(command, cluster, stop);
      emit({ ...answer, ...(ref !== undefined && { ref }) });
    } catch (error) {
      const { code, message } = toGossipError(error);
      emit({ event: 'error', ...(ref !== undefined && { ref }), code, message });
    }
  };

  return {
    logger: createStderrLogger((line) => errors.write(`${line.replaceAll('\n', ' ')}\n`)),
    attach(cluster, stop) {
      emit({ event: 'started', id: cluster.id, address: cluster.address });
      onMemberChange(cluster, ({ id, address, state, tags, protocol }, previous) =>
        emit({ event: 'member', id, address, state, previous, tags, protocol }),
      );
      cluster.on('metadata', ({ member }) => {
        if (member.id === cluster.id) return;
        emit({ event: 'metadata', id: member.id, metadata: toJson(member.metadata) });
      });
      const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
      lines.on('line', (line) => {
        if (line.trim() === '') return;
        const served = serve(line, cluster, stop);
        pending.add(served);
        void served.finally(() => pending.delete(served));
      });
      lines.on('close', stop);
      // The reader is gone: nobody can see us any more.
      output.on('error', stop);
      input.on('error', stop);
    },
    message({ type, from, data, tag }) {
      emit({ event: 'message', type, from: from.id, data: toJson(data ?? null), ...(tag !== '' && { tag }) });
    },
    joinFailed({ code, message }) {
      emit({ event: 'error', code, message });
    },
    async stopped() {
      await Promise.all(pending);
      emit({ event: 'stopped' });
      await flushed(output);
    },
  };
}

async function run(command: Command, cluster: Cluster, stop: () => void): Promise<Record<string, unknown>> {
  const { cmd } = command;
  switch (cmd) {
    case 'broadcast': {
      const tag = optional(command, 'tag', 'string');
      const reliable = optional(command, 'reliable', 'boolean') ?? false;
      const message = defineMessage(numberOf(command, 'type'));
      await cluster.broadcast(message, fromJson(command.data), { reliable, ...(tag !== undefined && { tag }) });
      return { event: 'ok' };
    }
    case 'send': {
      const reliable = optional(command, 'reliable', 'boolean') ?? false;
      await cluster.send(idOf(command), defineMessage(numberOf(command, 'type')), fromJson(command.data), { reliable });
      return { event: 'ok' };
    }
    case 'request': {
      const to = idOf(command);
      const timeoutMs = optional(command, 'timeoutMs', 'number');
      if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX)) {
        throw bad(`timeoutMs must be above 0 and at most ${TIMEOUT_MS_MAX}`);
      }
      const request = defineRequest(numberOf(command, 'type'));
      const options = timeoutMs === undefined ? {} : { timeoutMs };
      const data = await cluster.request(to, request, fromJson(command.data), options);
      return { event: 'response', from: to, data: toJson(data ?? null) };
    }
    case 'meta': {
      const set = fromJson(command.set ?? {});
      const remove = command.delete ?? [];
      if (
        typeof set !== 'object' ||
        set === null ||
        Array.isArray(set) ||
        ArrayBuffer.isView(set) ||
        set instanceof Date
      ) {
        throw bad('set must be an object');
      }
      if (!isStrings(remove)) throw bad('delete must be a list of keys');
      // One change, not two: what is set to undefined is deleted.
      cluster.setMetadata({
        ...(set as Record<string, unknown>),
        ...Object.fromEntries(remove.map((key) => [key, undefined])),
      });
      return { event: 'ok' };
    }
    case 'members':
      return { event: 'members', members: cluster.members().map(memberLine) };
    case 'stats':
      return { event: 'stats', stats: cluster.stats() };
    case 'join': {
      const { addresses } = command;
      if (!isStrings(addresses)) throw bad('addresses must be a list of strings');
      await cluster.join(addresses);
      return { event: 'ok' };
    }
    case 'leave':
      stop();
      return { event: 'ok' };
    default:
      throw bad(
        `unknown command ${JSON.stringify(cmd)}; there are broadcast, send, request, meta, members, stats, join, leave`,
      );
  }
}

function memberLine({ id, address, state, tags, metadata, protocol }: Member): Record<string, unknown> {
  return { id, address, state, tags, metadata: toJson(metadata), protocol };
}

function parseLine(line: string): Command {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw bad(`not a line of JSON: ${toGossipError(error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('a command is a JSON object');
  return value as Command;
}

interface Kinds {
  string: string;
  number: number;
  boolean: boolean;
}

function optional<K extends keyof Kinds>(command: Command, key: string, kind: K): Kinds[K] | undefined {
  const value = command[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== kind) throw bad(`${key} must be a ${kind}`);
  return value as Kinds[K];
}

function numberOf(command: Command, key: string): number {
  const value = optional(command, key, 'number');
  if (value === undefined) throw bad(`${String(command.cmd)} needs ${key}`);
  return value;
}

function idOf(command: Command): string {
  const to = optional(command, 'to', 'string');
  if (to === undefined) throw bad(`${String(command.cmd)} needs to, the id of a member`);
  return to.toLowerCase();
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function bad(message: string): GossipError {
  return new GossipError('ERR_OPTION', message);
}

/** Whatever is not ours came from reading a command. */
function toGossipError(error: unknown): GossipError {
  if (error instanceof GossipError) return error;
  return new GossipError('ERR_OPTION', error instanceof Error ? error.message : String(error), { cause: error });
}
