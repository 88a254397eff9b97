/**
 * `isogossip/store/file`: a store kept in a file of Node, Deno or Bun. Changes are appended, each with its length and a checksum, so that
 * a process that is killed in the middle of one has all those before it. When most of the file is out of date it is written anew
 * beside itself and renamed into place.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import process from 'node:process';
import { msgpack } from '../codec/msgpack.js';
import { GossipError } from '../index.js';
import type { StoredCell, StoredChange, StorePersistence } from './persistence.js';

/** Options of {@link fileStorage}. */
export interface FileStorageOptions {
  /** The file; its folder is made if there is none. Beside it `.lock` says which process has it; threads of one are not told apart. */
  path: string;
  /** Wait until the disk has each change; without, a machine that loses power may lose the last of them, a process that is killed none. Default true. */
  sync?: boolean;
}

/** What a file begins with: what it is, and the version of its format. */
const MAGIC = Buffer.from('isogossip store 1\n');
/** `[u32 length][8 bytes of checksum]` in front of each change. */
const HEAD_BYTES = 12;
/** A file below that is not worth writing anew. Source: guess. */
const SMALL_BYTES = 1024 * 1024;

/** Who we are in a lock: also a process that has our number after us, as each does in a container, is another one. */
const OURS = `${process.pid} ${randomUUID()}`;

const codec = msgpack();

/** Keeps a store in a file. One store at a time has it. */
export function fileStorage({ path, sync = true }: FileStorageOptions): StorePersistence {
  let file: FileHandle;
  let bytes = 0;
  /** How long it was when it was last written anew. */
  let wholeBytes = 0;
  let whole: () => StoredChange;
  let unlock = () => {};

  const append = async (to: FileHandle, record: Uint8Array) => {
    // A write may be cut short; only a whole one is followed by another.
    for (let at = 0; at < record.length; ) at += (await to.write(record, at)).bytesWritten;
    if (sync) await to.datasync();
  };

  const rewrite = async () => {
    const record = Buffer.concat([MAGIC, recordOf(whole())]);
    const fresh = await open(`${path}.new`, 'w');
    try {
      await append(fresh, record);
      await fresh.datasync();
      await rename(`${path}.new`, path);
    } catch (error) {
      await fresh.close();
      throw error;
    }
    await syncFolder(path);
    await file?.close();
    file = fresh;
    bytes = wholeBytes = record.length;
  };

  /** Once: what comes after may be another's. */
  const release = async () => {
    await file?.close();
    unlock();
    unlock = () => {};
  };

  return {
    async open(all) {
      whole = all;
      try {
        await mkdir(dirname(path), { recursive: true });
        unlock = lock(path);
        const kept = await readFile(path).catch((error) => {
          if (error.code !== 'ENOENT') throw error;
          return undefined;
        });
        if (kept && !kept.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('it is no store of isogossip');
        const { changes, end } = kept ? read(kept) : { changes: [], end: 0 };
        if (kept) {
          file = await open(path, 'r+');
          // What was cut off in the middle.
          if (end < kept.length) await file.truncate(end);
          await file.close();
          file = await open(path, 'a');
        } else await rewrite();
        bytes = Math.max(bytes, end);
        return changes;
      } catch (error) {
        await release();
        throw new GossipError('ERR_STORAGE', `the store in ${path} cannot be opened: ${(error as Error).message}`, {
          cause: error,
        });
      }
    },
    async save(change) {
      const record = recordOf(change);
      if (bytes + record.length > SMALL_BYTES + 2 * wholeBytes) {
        await rewrite();
        return;
      }
      try {
        await append(file, record);
      } catch (error) {
        // Whatever of it is there must not stand before the next.
        await file.truncate(bytes);
        throw error;
      }
      bytes += record.length;
    },
    close: release,
  };
}

function recordOf({ put, drop, floor }: StoredChange): Buffer {
  const payload = codec.encode([[...put], drop, floor]);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(payload.length);
  checksum(payload).copy(head, 4);
  return Buffer.concat([head, payload]);
}

/** The changes of a file up to the first that is not whole. */
function read(kept: Buffer): { changes: StoredChange[]; end: number } {
  const changes: StoredChange[] = [];
  let end = MAGIC.length;
  while (end + HEAD_BYTES <= kept.length) {
    const from = end + HEAD_BYTES;
    const length = kept.readUInt32LE(end);
    const payload = kept.subarray(from, from + length);
    if (payload.length < length || !checksum(payload).equals(kept.subarray(end + 4, from))) break;
    const [put, drop, floor] = codec.decode(payload) as [[string, StoredCell][], string[], number];
    changes.push({ put: new Map(put), drop, floor });
    end = from + length;
  }
  return { changes, end };
}

function checksum(payload: Uint8Array): Buffer {
  return createHash('sha256').update(payload).digest().subarray(0, 8);
}

/** A renamed file is there for certain when its folder is on the disk. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Says that we have the file, in one turn, so that two stores of one process cannot both do so. A process that is no more, or had our
 * number before us, has it no longer.
 * @returns a function that gives it back.
 */
function lock(path: string): () => void {
  const name = `${path}.lock`;
  try {
    writeFileSync(name, OURS, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const owner = readFileSync(name, 'utf8');
    const pid = Number.parseInt(owner, 10);
    if (owner === OURS) throw new Error('this process has the store open already');
    if (pid > 0 && pid !== process.pid && isRunning(pid)) {
      throw new Error(`process ${pid} has the store; if it has not, remove ${name}`);
    }
    writeFileSync(name, OURS);
  }
  return () => rmSync(name, { force: true });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
