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
  /** Wait until the disk has each change; without, a machine that loses power may lose the last of them or find the file spoilt, a process that is killed loses none. Default true. */
  sync?: boolean;
}

/** What a file begins with: what it is, and the version of its format. */
const MAGIC = Buffer.from('isogossip store 1\n');
/** `[u32 length][4 bytes of its checksum][8 bytes of the payload's]` in front of each change. */
const HEAD_BYTES = 16;
/** A file below that is not worth writing anew. Source: guess. */
const SMALL_BYTES = 1024 * 1024;

/** Who we are in a lock: also a process that has our number after us, as each does in a container, is another one. */
const OURS = `${process.pid} ${randomUUID()}`;

const codec = msgpack();

/** Keeps a store in a file. One store at a time has it. */
export function fileStorage({ path, sync = true }: FileStorageOptions): StorePersistence {
  let file: FileHandle;
  /** What of it holds; what is behind that is of a save that failed. */
  let bytes = 0;
  let torn = false;
  /** Whether the folder's entry of it is on the disk. */
  let named = true;
  /** How long it was when it was last written anew. */
  let wholeBytes = 0;
  let whole: () => StoredChange;
  let unlock = () => {};

  const write = async (to: FileHandle, record: Uint8Array, from: number) => {
    // A write may be cut short; only a whole one is followed by another.
    for (let at = 0; at < record.length; ) {
      at += (await to.write(record, at, record.length - at, from + at)).bytesWritten;
    }
    if (sync) await to.datasync();
  };

  const rewrite = async () => {
    const record = Buffer.concat([MAGIC, recordOf(whole())]);
    const fresh = await open(`${path}.new`, 'w');
    try {
      await write(fresh, record, 0);
      await fresh.datasync();
      await rename(`${path}.new`, path);
    } catch (error) {
      await fresh.close();
      throw error;
    }
    const old = file;
    file = fresh;
    bytes = wholeBytes = record.length;
    [torn, named] = [false, false];
    await old?.close();
    await syncName();
  };

  const syncName = async () => {
    if (!named) await syncFolder(path);
    named = true;
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
      await syncName();
      // Whatever is left of one that failed must not stand before the next.
      if (torn) await file.truncate(bytes);
      torn = true;
      await write(file, record, bytes);
      torn = false;
      bytes += record.length;
    },
    close: release,
  };
}

function recordOf({ put, drop, floor }: StoredChange): Buffer {
  const payload = codec.encode([[...put], drop, floor]);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(payload.length);
  checksum(head.subarray(0, 4)).copy(head, 4, 0, 4);
  checksum(payload).copy(head, 8);
  return Buffer.concat([head, payload]);
}

/**
 * The changes of a file up to its end, or up to a last one that is not whole.
 * @throws Error: there is a spoilt one in the middle, and what is behind it would be lost.
 */
function read(kept: Buffer): { changes: StoredChange[]; end: number } {
  const changes: StoredChange[] = [];
  let end = MAGIC.length;
  while (end + HEAD_BYTES <= kept.length) {
    const from = end + HEAD_BYTES;
    const to = from + kept.readUInt32LE(end);
    const known = checksum(kept.subarray(end, end + 4)).compare(kept, end + 4, end + 8, 0, 4) === 0;
    const payload = kept.subarray(from, to);
    if (!known || to > kept.length || !checksum(payload).equals(kept.subarray(end + 8, from))) {
      // A last one may be cut off, spoilt, or nothing but room for it.
      if (known ? to >= kept.length : kept.subarray(end).every((byte) => byte === 0)) break;
      throw new Error(`it is spoilt at byte ${end}, and more follows; put back a copy, or begin with none`);
    }
    const [put, drop, floor] = codec.decode(payload) as [[string, StoredCell][], string[], number];
    changes.push({ put: new Map(put), drop, floor });
    end = to;
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
