/**
 * Which application versions are welcome: an exact version, or the usual range forms of semver. Written out because it is
 * small, and because the package should not carry a library for one option of its command.
 */
import { GossipError } from '../index.js';

interface Version {
  parts: readonly [number, number, number];
  pre: string;
}

interface Comparator {
  holds(version: Version): boolean;
  /** The version that is written in it, when it names a pre-release. */
  pre?: Version;
}

const VERSION = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/;
const COMPARATOR =
  /^(>=|<=|>|<|=|\^|~)?v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/;

/**
 * Makes the test for `1.2.3`, `^1.2.0`, `~1.2`, `1.x`, `>=1.0 <2`, several of them joined by `||`, and `*`, which
 * takes everything, also no version. A word that is no version at all is welcome only as itself. As in npm, a pre-release is
 * in a range only if the range names a pre-release of the same version.
 *
 * @throws GossipError `ERR_OPTION`: not a range.
 */
export function versionRange(range: string): (version: string) => boolean {
  const text = range.trim();
  if (/^[xX*]$/.test(text)) return () => true;
  const wordOnly = /^[^\s<>=^~*|]+$/.test(text);
  if (wordOnly && !COMPARATOR.test(text)) return (version) => version === text;
  const sets = text.split('||').map((part) => comparators(part, range));
  return (version) => {
    const given = parseVersion(version);
    return version === text || (given !== undefined && sets.some((set) => matches(set, given)));
  };
}

function matches(set: readonly Comparator[], version: Version): boolean {
  if (!set.every(({ holds }) => holds(version))) return false;
  return version.pre === '' || set.some(({ pre }) => pre?.parts.join() === version.parts.join());
}

function comparators(text: string, range: string): Comparator[] {
  const words = text
    .trim()
    .replace(/([<>=^~])\s+/g, '$1')
    .split(/\s+/);
  return words.map((word) => {
    const match = COMPARATOR.exec(word);
    if (!match) {
      throw new GossipError(
        'ERR_OPTION',
        `"${range}" is not a version range such as 1.2.3, ^1.2.0, ~1.2, 1.x, ">=1.0 <2" or *`,
      );
    }
    return comparator(match);
  });
}

function comparator([, operator = '', ...texts]: RegExpExecArray): Comparator {
  const written = texts
    .slice(0, 3)
    .map((text) => (text === undefined || /[xX*]/.test(text) ? undefined : Number(text)));
  const given = written.indexOf(undefined) === -1 ? 3 : written.indexOf(undefined);
  const [major = 0, minor = 0, patch = 0] = written.slice(0, given);
  const low: Version = { parts: [major, minor, patch], pre: given === 3 ? (texts[3] ?? '') : '' };
  const from = (version: Version) => compare(version, low) >= 0;
  /** Below the next version after those that agree with ours in the first `count` parts. */
  const below = (count: number) => (version: Version) =>
    count === 0 || compare(version, { parts: next(low.parts, count), pre: '' }) < 0;
  const within = (count: number) => (version: Version) => from(version) && below(count)(version);
  const significant = low.parts.findIndex((part) => part !== 0) + 1 || 3;
  const holds = {
    '': given === 3 ? (version: Version) => compare(version, low) === 0 : within(given),
    '=': given === 3 ? (version: Version) => compare(version, low) === 0 : within(given),
    '>=': from,
    '>': given === 3 ? (version: Version) => compare(version, low) > 0 : (version: Version) => !below(given)(version),
    '<': (version: Version) => compare(version, low) < 0,
    '<=': given === 3 ? (version: Version) => compare(version, low) <= 0 : below(given),
    '^': within(Math.min(significant, given)),
    '~': within(Math.min(2, given)),
  }[operator] as Comparator['holds'];
  return low.pre === '' ? { holds } : { holds, pre: low };
}

function next(parts: Version['parts'], count: number): Version['parts'] {
  const [major, minor, patch] = parts;
  if (count === 1) return [major + 1, 0, 0];
  return count === 2 ? [major, minor + 1, 0] : [major, minor, patch + 1];
}

function parseVersion(text: string): Version | undefined {
  const match = VERSION.exec(text.trim());
  if (!match) return undefined;
  return { parts: [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)], pre: match[4] ?? '' };
}

/** Semver's order (section 11): numbers by value, a pre-release before its release, its identifiers one by one. */
function compare(a: Version, b: Version): number {
  for (let i = 0; i < 3; i++) {
    const difference = (a.parts[i] as number) - (b.parts[i] as number);
    if (difference !== 0) return difference;
  }
  if (a.pre === b.pre) return 0;
  if (a.pre === '' || b.pre === '') return a.pre === '' ? 1 : -1;
  const [left, right] = [a.pre.split('.'), b.pre.split('.')];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [l, r] = [left[i], right[i]];
    if (l === r) continue;
    if (l === undefined || r === undefined) return l === undefined ? -1 : 1;
    const [lNumber, rNumber] = [/^\d+$/.test(l), /^\d+$/.test(r)];
    if (lNumber && rNumber) return Number(l) - Number(r);
    if (lNumber !== rNumber) return lNumber ? -1 : 1;
    return l < r ? -1 : 1;
  }
  return 0;
}
