/** What a leaf is told of its page, by a document that is only played. */
import { afterEach, expect, test, vi } from 'vitest';
import type { Cluster } from '../../src/cluster.js';
import { watchPage } from '../../src/page.js';

const ends = new Set<AbortController>();
afterEach(() => {
  for (const end of ends) end.abort();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** A page that is watched for a leaf, and what the leaf is told. */
function play(visibilityState: 'visible' | 'hidden' = 'visible') {
  const told: string[] = [];
  const cluster = {
    input: ({ type: _, ...input }: { type: string }) => told.push(JSON.stringify(input)),
    leave: async () => told.push('leave'),
  };
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState });
  vi.stubGlobal('document', document);
  vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
  const end = new AbortController();
  ends.add(end);
  watchPage(cluster as unknown as Cluster, end.signal);
  const fire = (on: EventTarget, type: string, more = {}) => {
    told.length = 0;
    on.dispatchEvent(Object.assign(new Event(type), more));
    return [...told];
  };
  return {
    told,
    end,
    turn(state: 'visible' | 'hidden') {
      document.visibilityState = state;
      return fire(document, 'visibilitychange');
    },
    onDocument: (type: string) => fire(document, type),
    onWindow: (type: string, persisted?: boolean) => fire(window, type, { persisted }),
  };
}

const VISIBLE = '{"hidden":false,"look":false,"asleep":false}';
const HIDDEN = '{"hidden":true,"look":false,"asleep":false}';
const LOOK = '{"hidden":false,"look":true,"asleep":false}';
const LOOK_HIDDEN = '{"hidden":true,"look":true,"asleep":false}';
const ASLEEP = '{"hidden":true,"look":false,"asleep":true}';

test('a page that is hidden or shown says so', () => {
  const { told, turn } = play();
  expect(told).toEqual([]);
  expect(turn('hidden')).toEqual([HIDDEN]);
  expect(turn('visible')).toEqual([VISIBLE]);
});

test('a page that begins hidden says so', () => {
  expect(play('hidden').told).toEqual([HIDDEN]);
});

test('a page that is frozen is a hidden one, and looks when it goes on, hidden or not', () => {
  const page = play();
  expect(page.onDocument('freeze')).toEqual([HIDDEN]);
  expect(page.onDocument('resume')).toEqual([LOOK]);
  page.turn('hidden');
  expect(page.onDocument('freeze')).toEqual([HIDDEN]);
  expect(page.onDocument('resume')).toEqual([LOOK_HIDDEN]);
});

test('a page that is online again looks at once, hidden or not', () => {
  const page = play();
  expect(page.onWindow('online')).toEqual([LOOK]);
  page.turn('hidden');
  expect(page.onWindow('online')).toEqual([LOOK_HIDDEN]);
});

test('a page that goes into the back-forward cache sleeps; one that comes out of it looks', () => {
  const page = play();
  expect(page.onWindow('pageshow', false)).toEqual([]);
  expect(page.onWindow('pagehide', true)).toEqual([ASLEEP]);
  expect(page.onWindow('pageshow', true)).toEqual([LOOK]);
});

test('a page that is not kept leaves', () => {
  expect(play().onWindow('pagehide', false)).toEqual(['leave']);
});

test('a page looks at the clock every second', () => {
  vi.useFakeTimers();
  const { told } = play();
  vi.advanceTimersByTime(3000);
  expect(told).toEqual(['{}', '{}', '{}']);
});

test('a leaf that has left is told nothing more', () => {
  vi.useFakeTimers();
  const page = play();
  page.end.abort();
  expect(page.turn('hidden')).toEqual([]);
  expect(page.onWindow('pagehide', true)).toEqual([]);
  vi.advanceTimersByTime(3000);
  expect(page.told).toEqual([]);
});

test('where there is no page there is nothing to watch', () => {
  vi.stubGlobal('document', undefined);
  watchPage({} as Cluster, new AbortController().signal);
});
