/**
 * The kinds of fields that native packets are made of, each of which knows how it is written and read: primitives, lists,
 * objects, and objects of several kinds.
 */
import { GossipError } from '../../errors.js';
import type { Limits } from '../../limits.js';
import { ownBytesMax, type WireEnv } from '../env.js';
import { LIST_BYTES_MAX } from '../packet.js';
import type { Reader, Writer } from './bytes.js';

/** How one kind of field is written and read. */
export interface Field<T> {
  write(w: Writer, value: T, env: WireEnv): void;
  read(r: Reader, env: WireEnv): T;
}

/** A field that reader and writer know by themselves. */
function primitive<K extends 'u8' | 'u32' | 'u64' | 'varint' | 'id'>(kind: K): Field<ReturnType<Reader[K]>> {
  return {
    write: (w, value) => w[kind](value as never),
    read: (r) => r[kind]() as ReturnType<Reader[K]>,
  };
}

/** Primitives, as the table of `docs/protocol.md` names them. */
export const u8 = primitive('u8');
export const u32 = primitive('u32');
export const varint = primitive('varint');
export const hlc = primitive('u64');
export const id = primitive('id');
export const bool: Field<boolean> = { write: (w, value) => w.u8(value ? 1 : 0), read: (r) => r.u8() === 1 };
/** UTF-8, at most `limits.stringBytesMax` of it. */
export const string: Field<string> = {
  write: (w, value) => w.string(value),
  read: (r, { limits }) => r.string(limits.stringBytesMax),
};
/** Everything that is left: only as the last field. */
export const payload: Field<Uint8Array> = { write: (w, value) => w.raw(value), read: (r) => r.rest() };
/** The type of an application's message. */
export const messageType: Field<number> = { write: varint.write, read: (r) => checkType(r.varint()) };

/** @returns the type, if it is one. */
export function checkType(type: number): number {
  /** The smallest message type of an application or library; below are the protocol's own. */
  const MESSAGE_TYPE_MIN = 64;
  const MESSAGE_TYPE_MAX = 0xffff;
  if (type >= MESSAGE_TYPE_MIN && type <= MESSAGE_TYPE_MAX) return type;
  throw new GossipError('ERR_PACKET', `message type ${type}`);
}

/** One of a few words, as its place in the list. */
export function oneOf<T extends string>(words: readonly T[]): Field<T> {
  return {
    write: (w, value) => w.u8(words.indexOf(value)),
    read(r) {
      const word = words[r.u8()];
      if (!word) throw new GossipError('ERR_PACKET', `none of ${words}`);
      return word;
    },
  };
}

/** A count and that many items of at least `bytesEach`; refused before anything is read when they cannot be there. */
export function list<T>(item: Field<T>, max: number | keyof Limits, bytesEach: number): Field<readonly T[]> {
  return {
    write(w, values, env) {
      w.varint(values.length);
      for (const value of values) item.write(w, value, env);
    },
    read(r, env) {
      // Only the application's data may be as large as a frame allows, and it holds no lists.
      if (r.left > LIST_BYTES_MAX + ownBytesMax(env.limits)) {
        throw new GossipError('ERR_TOO_LARGE', `${r.left} bytes`);
      }
      const count = r.count(typeof max === 'number' ? max : env.limits[max], bytesEach);
      return Array.from({ length: count }, () => item.read(r, env));
    },
  };
}

/** A field for each property. */
export type Fields<P> = { readonly [K in keyof P]: Field<P[K]> };

/** The fields of an object, in their order. @param rest - what every such object has besides. */
export function struct<P extends object>(fields: Fields<P>, rest: object = {}): Field<P> {
  const entries = Object.entries(fields) as [keyof P, Field<P[keyof P]>][];
  // A copy of one that has all properties is made faster than one that gets them one by one.
  const empty = { ...rest, ...Object.fromEntries(entries.map(([name]) => [name, undefined])) } as P;
  return {
    write(w, value, env) {
      for (const [name, field] of entries) field.write(w, value[name], env);
    },
    read(r, env) {
      const value = { ...empty };
      for (const [name, field] of entries) value[name] = field.read(r, env);
      return value;
    },
  };
}

/** For each kind of an object, named by its property `K`, the fields it has beside that. */
export type Table<K extends string, P extends Readonly<Record<K, string>>> = {
  readonly [T in P[K]]: Fields<Omit<Extract<P, Readonly<Record<K, T>>>, K>>;
};

/**
 * Objects of several kinds, told apart by one of their properties: a byte for the kind, then its fields. A kind's byte is its
 * place in its table, and 16 more for each table before. Never reorder, append; who does not need a table leaves it empty.
 */
export function union<K extends string, P extends Readonly<Record<K, string>>>(
  key: K,
  ...tables: Partial<Table<K, P>>[]
): Field<P> {
  const codes = new Map<string, number>();
  const structs = new Map<string | number, Field<object>>();
  tables.forEach((table, i) => {
    Object.entries(table).forEach(([name, fields], place) => {
      const one = struct(fields as Fields<object>, { [key]: name });
      codes.set(name, i * 16 + place);
      structs.set(name, one).set(i * 16 + place, one);
    });
  });
  return {
    write(w, value, env) {
      w.u8(codes.get(value[key]) as number);
      structs.get(value[key])?.write(w, value, env);
    },
    read(r, env) {
      const code = r.u8();
      const one = structs.get(code);
      if (!one) throw new GossipError('ERR_PACKET', `${key} ${code}`);
      return one.read(r, env) as P;
    },
  };
}
