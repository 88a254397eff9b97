/**
 * The examples beside their Go twins: the unmodified programs of the Go library's `examples/` in one cluster with ours, driven by
 * their own commands.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { freePort } from '../free-port.js';
import { endAll, example, Program } from '../node/program.js';
import { goBuild } from './go-build.js';
import { describeWithGo } from './harness.js';

const folder = mkdtempSync(join(tmpdir(), 'isogossip-go-examples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(endAll);

/** Ours at a port, and its Go twin that has joined it. */
async function twins(name: string, options: string[] = [], goOptions: string[] = []): Promise<[Program, Program]> {
  const [port, goPort] = [await freePort(), await freePort()];
  const ours = example(name, `--port=${port}`, ...options);
  await ours.prints(/I am \S+ at \S+/);
  const health = name === 'health' ? [`-bind=127.0.0.1:${goPort}`] : [`-port=${goPort}`];
  const theirs = new Program(join(folder, name), [...health, `-peers=127.0.0.1:${port}`, ...goOptions]);
  return [ours, theirs];
}

const ourId = (ours: Program) => ours.prints(/I am (\S+) at/);
const goId = (theirs: Program) => theirs.prints(/(?:local node ID|Node ID:?) (\S+)/);

describeWithGo('an example and its Go twin', () => {
  beforeAll(() => {
    const names = ['basic', 'events', 'health', 'kv', 'leader', 'tagged', 'usermessages'];
    goBuild(
      `${folder}/`,
      names.map((name) => `github.com/paularlott/gossip/examples/${name}`),
    );
  }, 120_000);

  test('basic: each lists the other, with its metadata', async () => {
    const [ours, theirs] = await twins('basic');
    const [our, go] = [await ourId(ours), await goId(theirs)];
    await ours.answers('peers', new RegExp(`${go}.*alive`));
    await theirs.answers('peers', new RegExp(`${our}.*alive`, 'i'));
    ours.type('set-meta colour green');
    await theirs.answers('peers', new RegExp(`${our}.*colour = green`, 'i'));
    theirs.type('set-meta colour bright blue');
    await ours.answers('peers', new RegExp(`${go}.*colour = bright blue`));
  });

  test('events: each tells of the other and of its metadata', async () => {
    const [ours, theirs] = await twins('events');
    const [our, go] = [await ourId(ours), await goId(theirs)];
    await ours.prints(new RegExp(`joined: ${go} was unknown, is alive`));
    await ours.prints(new RegExp(`metadata of ${go} is {.*"dc":"development"`));
    await theirs.prints(new RegExp(`state changed.*${our}`));
    theirs.printed = '';
    ours.type('set-meta colour green');
    await theirs.prints(new RegExp(`metadata changed.*${our}`));
    theirs.kill('SIGTERM');
    await ours.prints(new RegExp(`left: ${go} was alive, is leaving`));
  });

  test('usermessages: each hears what the other says', async () => {
    const [ours, theirs] = await twins('usermessages');
    const [our, go] = [await ourId(ours), await goId(theirs)];
    await ours.answers('peers', new RegExp(`${go}.*alive`));
    await theirs.answers('peers', new RegExp(`${our}.*alive`, 'i'));
    ours.type('gossip good morning');
    await theirs.prints(new RegExp(`from ${our}: good morning`));
    theirs.type('gossip to you too');
    await ours.prints(new RegExp(`${go} says: to you too`));
  });

  test('tagged: a message reaches the other when it has the tag, and not without', async () => {
    const [ours, theirs] = await twins('tagged', ['--tags=taga,tagb'], ['-tags=taga,tagc']);
    const [our, go] = [await ourId(ours), await goId(theirs)];
    await ours.answers('nodes tagc', new RegExp(`${go.slice(-8)} .*taga, tagc`));
    await theirs.prints(/Commands:/);
    await theirs.answers('nodes tagb', new RegExp(`${our.slice(0, 8)}: .*taga tagb`));
    ours.type('send tagb not for you');
    ours.type('send tagc for you');
    await theirs.prints(/Tag: tagc \| Message: for you/);
    theirs.type('send tagc not for you');
    theirs.type('send tagb for you');
    await ours.prints(/says to tagb: for you/);
    expect(ours.printed + theirs.printed).not.toContain('not for you');
  });

  test('kv: each has what the other writes and deletes', async () => {
    const [ours, theirs] = await twins('kv');
    const [our, go] = [await ourId(ours), await goId(theirs)];
    await ours.answers('peers', new RegExp(`${go}.*alive`));
    await theirs.answers('peers', new RegExp(`${our}.*alive`, 'i'));
    ours.type('set colour bright green');
    await theirs.answers('get colour', /Value: bright green/);
    theirs.type('set shape round');
    await ours.prints(/shape is now round/);
    theirs.type('set colour blue');
    await ours.prints(/colour is now blue/);
    ours.type('delete shape');
    await theirs.answers('get shape', /key not found/);
    theirs.type('delete colour');
    await ours.prints(/colour is gone/);
    ours.type('set size large');
    await theirs.answers('keys', /Current keys: \[size\]/);
  });

  test('leader: ours leads among ours and sees whom Go peers follow', async () => {
    const port = await freePort();
    const address = `127.0.0.1:${port}`;
    const ours = example('leader', `--port=${port}`, `--peers=${address}`);
    // A voter alone leads before anybody could hear of it.
    await ours.answers('leader', new RegExp(`^${address} leads`, 'm'));
    const goPort = await freePort();
    const theirs = new Program(join(folder, 'leader'), [`-port=${goPort}`, `-peers=${address}`]);
    const go = await goId(theirs);
    await ours.prints(new RegExp(`Go peers follow ${go}`));
    await theirs.prints(/Became leader/);
    expect(ours.printed).not.toContain('I lead no more');
    theirs.kill();
    await ours.prints(/Go peers follow nobody/);
  });

  test('health: each sees how the other is', async () => {
    const [ours, theirs] = await twins('health');
    const [our, go] = [await ourId(ours), await goId(theirs)];
    await ours.prints(new RegExp(`${go.slice(-8)}: unknown -> alive \\(2 alive`));
    await theirs.prints(/Cluster status: 2 alive/);
    expect(theirs.printed).toContain(our.slice(0, 8));
    theirs.kill();
    await ours.prints(new RegExp(`${go.slice(-8)}: suspect -> dead \\(1 alive, 0 suspect, 0 leaving, 1 dead\\)`));
  });
});
