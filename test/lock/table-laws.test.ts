/** The lock table against the plainest idea of it, and its laws: any commands, in any order, repeated, late, malformed. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GossipError } from '../../src/index.js';
import type { Command, Operation } from '../../src/lock/commands.js';
import { LockTable } from '../../src/lock/table.js';
import { tries } from '../effort.js';

const NAMES = ['a', 'b'];
const MEMBERS = ['ada', 'ben', 'cyd'];

/** A step: sessions, turns and beats are relative to what there is, so that most fit and some are late. */
type Step =
  | { type: 'open'; member: number; key: number; previous: number }
  | { type: 'turn'; session: number; late: number; operations: OperationStep[]; seen: boolean; member: number }
  | { type: 'end' | 'expire'; session: number; late: number }
  | { type: 'other'; value: unknown };

type OperationStep =
  | { type: 'acquire' | 'try'; name: number; late: number }
  | { type: 'release'; claim: number }
  | { type: 'close' };

const late = fc.nat({ max: 5 }).map((n) => Math.max(0, n - 3));
const operation: fc.Arbitrary<OperationStep> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('acquire', 'try'), name: fc.nat({ max: 1 }), late }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('release'), claim: fc.nat({ max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('close') }) },
) as fc.Arbitrary<OperationStep>;
const nat = fc.nat({ max: 6 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('open'),
      member: fc.nat({ max: 2 }),
      key: nat,
      previous: nat,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('turn'),
      session: nat,
      late,
      operations: fc.array(operation, { maxLength: 4 }),
      seen: fc.boolean(),
      member: fc.nat({ max: 20 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('end', 'expire'), session: nat, late }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('other'), value: fc.anything() }) },
) as fc.Arbitrary<Step>;
const steps = fc.array(step, { maxLength: 60 });

interface PlainSession {
  member: string;
  key: string;
  turn: number;
  beats: number;
  claimed: number;
  ended: boolean;
  /** The highest token that it was granted after waiting. */
  granted: number;
}

/** Lists, looked through from the front; each claim as `session/claim`, the first of a lock has it. */
class PlainTable {
  readonly sessions = new Map<number, PlainSession>();
  readonly claims = new Map(NAMES.map((name) => [name, [] as string[]]));

  /** @returns what each operation comes to: it has the lock, it waits, or neither. */
  turn(number: number, operations: readonly Operation[]): ('has' | 'waits' | 'no')[] {
    const session = this.sessions.get(number) as PlainSession;
    session.turn++;
    session.beats++;
    const said = operations.map((operation) => {
      if (operation.type === 'close') return 'no';
      const claim = `${number}/${operation.claim}`;
      if (operation.type === 'release') {
        this.#drop((other) => other === claim);
        return 'no';
      }
      if (operation.claim <= session.claimed) return 'no';
      session.claimed = operation.claim;
      const row = this.claims.get(operation.name) as string[];
      if (operation.type === 'try' && row.length > 0) return 'no';
      row.push(claim);
      return row.length === 1 ? 'has' : 'waits';
    });
    if (operations.some(({ type }) => type === 'close')) this.remove(number);
    return said;
  }

  end(number: number): void {
    (this.sessions.get(number) as PlainSession).ended = true;
    for (const [name, [first, ...rest]] of this.claims) {
      const others = rest.filter((claim) => !claim.startsWith(`${number}/`));
      if (first !== undefined) this.claims.set(name, [first, ...others]);
    }
  }

  remove(number: number): void {
    this.#drop((claim) => claim.startsWith(`${number}/`));
    this.sessions.delete(number);
  }

  #drop(which: (claim: string) => boolean): void {
    for (const [name, row] of this.claims)
      this.claims.set(
        name,
        row.filter((claim) => !which(claim)),
      );
  }
}

/** @returns the commands that the steps came to. */
function play(script: readonly Step[], check: (table: LockTable, plain: PlainTable) => void): unknown[] {
  const commands: unknown[] = [];
  const table = new LockTable();
  const apply = (command: unknown) => {
    commands.push(command);
    return table.apply(command, 1);
  };
  const plain = new PlainTable();
  for (const one of script) {
    const numbers = [...plain.sessions.keys()];
    const numberAt = (at: number) => numbers[at] ?? 999_999;
    switch (one.type) {
      case 'open': {
        const member = MEMBERS[one.member] as string;
        const key = `k${one.key}`;
        const previous = numberAt(one.previous);
        const open: Command = { type: 'open', key, member, ttlMs: 1000, previous };
        const { answer } = apply(open);
        const [known] = [...plain.sessions].find(([, other]) => other.member === member && other.key === key) ?? [];
        if (known === undefined) {
          if (plain.sessions.get(previous)?.member === member) plain.remove(previous);
          const fresh = { member, key, turn: 0, beats: 0, claimed: 0, ended: false, granted: 0 };
          plain.sessions.set((answer as { session: number }).session, fresh);
        } else expect(answer).toEqual({ type: 'opened', session: known });
        break;
      }
      case 'turn': {
        const number = numberAt(one.session);
        const session = plain.sessions.get(number);
        const turn = Math.max(0, (session?.turn ?? 0) + 1 - one.late);
        let claimed = session?.claimed ?? 0;
        const operations = one.operations.map((operation): Operation => {
          if (operation.type === 'close' || operation.type === 'release') return operation;
          const claim = Math.max(0, claimed + 1 - operation.late);
          claimed = Math.max(claimed, claim);
          return { type: operation.type, claim, name: NAMES[operation.name] as string };
        });
        // Now and then by somebody else.
        const member = MEMBERS[one.member] ?? session?.member ?? 'ada';
        const seen = one.seen ? (session?.granted ?? 0) : 0;
        const { answer, granted } = apply({ type: 'turn', session: number, member, turn, seen, operations });
        for (const heir of granted) {
          const view = table.view(heir)?.view;
          if (view?.type !== 'view') throw new Error('an heir without a view');
          // What was granted may have been given back within the same turn.
          const tokens = view.grants.map(([, token]) => token);
          const session = plain.sessions.get(heir) as PlainSession;
          session.granted = Math.max(session.granted, ...tokens);
        }
        if (!session || session.ended || session.member !== member) expect(answer).toEqual({ type: 'gone' });
        else if (turn > session.turn) {
          const said = plain.turn(number, operations);
          const answers = answer.type === 'view' ? answer.answers : [];
          expect(answers.map((had) => (typeof had === 'number' ? 'has' : had === 'waiting' ? 'waits' : 'no'))).toEqual(
            said,
          );
        }
        break;
      }
      case 'end':
      case 'expire': {
        const number = numberAt(one.session);
        const beats = Math.max(0, (plain.sessions.get(number)?.beats ?? 0) - one.late);
        const isVoid = plain.sessions.get(number)?.beats !== beats;
        apply({ type: one.type, session: number, beats });
        if (!isVoid && one.type === 'end') plain.end(number);
        if (!isVoid && one.type === 'expire') plain.remove(number);
        break;
      }
      default:
        expect(apply(one.value).answer).toEqual({ type: 'refused', why: 'malformed' });
    }
    check(table, plain);
  }
  return commands;
}

test('it has the holders and the sessions that plain lists have, in turn', () => {
  fc.assert(
    fc.property(steps, (script) => {
      play(script, (table, plain) => {
        for (const name of NAMES) {
          const holder = table.holder(name);
          expect(holder && `${holder.session}/${holder.claim}`).toBe(plain.claims.get(name)?.[0]);
        }
        expect(Array.from(table.sessions(), ({ number }) => number)).toEqual([...plain.sessions.keys()]);
        const claims = [...plain.claims.values()].flat().length;
        const { locksHeld, locksWaiting } = table.stats();
        expect(locksHeld + locksWaiting).toBe(claims);
      });
    }),
    { numRuns: tries(500) },
  );
});

test('tokens and sessions are numbered by one counter that only grows', () => {
  fc.assert(
    fc.property(steps, (script) => {
      let last = 0;
      const tokens = new Map<string, number>();
      play(script, (table) => {
        const now = table.snapshot().last;
        expect(now).toBeGreaterThanOrEqual(last);
        for (const name of NAMES) {
          const holder = table.holder(name);
          if (!holder || holder.token === tokens.get(name)) continue;
          expect(holder.token).toBeGreaterThan(last);
          expect([...tokens.values()]).not.toContain(holder.token);
          tokens.set(name, holder.token);
        }
        last = now;
      });
    }),
    { numRuns: tries(300) },
  );
});

test('a table restored from a snapshot, at whatever moment, goes on as the one it was taken of', () => {
  fc.assert(
    fc.property(steps, fc.nat({ max: 60 }), (script, at) => {
      const commands = play(script, () => {});
      const table = new LockTable();
      const copy = new LockTable();
      // Whatever it was before is gone.
      copy.apply({ type: 'open', key: 'x', member: 'ada', ttlMs: 1000, previous: 0 }, 1);
      for (const command of commands.slice(0, at)) table.apply(command, 1);
      const snapshot = table.snapshot();
      const written = JSON.stringify(snapshot);
      copy.restore(JSON.parse(written));
      for (const command of commands.slice(at)) expect(copy.apply(command, 1)).toEqual(table.apply(command, 1));
      expect(copy.snapshot()).toEqual(table.snapshot());
      // A snapshot is kept: what comes later does not change it.
      expect(JSON.stringify(snapshot)).toBe(written);
    }),
    { numRuns: tries(300) },
  );
});

test('a command that comes twice counts once, an answer is not changed by what comes later', () => {
  fc.assert(
    fc.property(steps, (script) => {
      const table = new LockTable();
      const answers: [unknown, string][] = [];
      for (const command of play(script, () => {})) {
        const { answer } = table.apply(command, 1);
        answers.push([answer, JSON.stringify(answer)]);
        const before = JSON.stringify(table.snapshot());
        const again = table.apply(command, 1);
        // A session that was opened and closed may be opened anew.
        if (answer.type !== 'gone' && JSON.stringify(table.snapshot()) !== before) throw new Error('counted twice');
        if (answer.type === 'view') expect(['view', 'gone']).toContain(again.answer.type);
      }
      for (const [answer, written] of answers) expect(JSON.stringify(answer)).toBe(written);
    }),
    { numRuns: tries(300) },
  );
});

test('what is no snapshot is refused and changes nothing', () => {
  const table = new LockTable();
  const claim = fc.record({ session: fc.nat({ max: 3 }), claim: fc.nat({ max: 3 }) });
  const nearly = fc.record({
    last: fc.nat(),
    sessions: fc.array(fc.anything()),
    locks: fc.array(fc.record({ name: fc.string(), token: fc.nat(), holder: claim, queue: fc.array(claim) }), {
      minLength: 1,
    }),
  });
  fc.assert(
    fc.property(fc.oneof(fc.anything(), nearly), (value) => {
      let code: unknown;
      try {
        table.restore(value);
      } catch (error) {
        code = error instanceof GossipError && error.code;
      }
      expect(code).toBe('ERR_PACKET');
      expect(table.snapshot()).toEqual({ last: 0, sessions: [], locks: [] });
    }),
    { numRuns: tries(500) },
  );
});
