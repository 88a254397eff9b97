/** The demo's page: this tab is a member of the cluster like every other, and shows what it knows. */
import { type ClusterEvent, createCluster, type Message } from 'isogossip';
import { webSocketTransport } from 'isogossip/transport/websocket';
import { chat, howAreYou, textOf } from '../messages.mjs';
import { command, visit, type Welcome } from './control.js';
import { createList } from './list.js';
import { COLOURS, everybody, type Person, personOf } from './people.js';
import { createPicture } from './picture.js';
import { type Line, wordsFor } from './words.js';

const LINES_MAX = 200;
const ASK_MS = 3000;

const at = <T extends Element>(id: string) => document.getElementById(id) as unknown as T;
const status = at<HTMLElement>('status');
const picture = createPicture(at<SVGSVGElement>('picture'));

/** Adds a line to a log, which stays at its end unless somebody reads further up. */
function addLine(list: HTMLElement, line: HTMLElement): void {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
  list.append(line);
  if (list.childElementCount > LINES_MAX) list.firstElementChild?.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function note([sign, text]: Line): void {
  const line = document.createElement('p');
  line.className = sign;
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString([], { hour12: false });
  const words = document.createElement('span');
  words.textContent = text;
  line.append(time, words);
  addLine(at('log'), line);
}

function showChat(from: Person, text: string, how: string): void {
  const line = document.createElement('p');
  line.className = `colour-${from.colour}${from.mine ? ' mine' : ''}`;
  const who = document.createElement('strong');
  who.textContent = `${from.mine ? 'You' : from.name}${how}`;
  const words = document.createElement('span');
  words.textContent = text;
  line.append(who, words);
  addLine(at('chat'), line);
}

async function run(welcome: Welcome): Promise<void> {
  const cluster = await createCluster({
    transport: webSocketTransport({ gateways: welcome.gateways, ticket: location.hash.slice(1) }),
    metadata: { name: welcome.name, mood: 'curious', colour: welcome.colour },
  });

  let people: Person[] = [];
  /** Members as they were in the last event about them. */
  const told = new Map<string, Person>();
  const byId = (id: string) => people.find((person) => person.id === id);
  const nameOf = (id: string) => byId(id)?.name ?? 'somebody';
  const me = () => personOf(cluster.self, cluster, welcome);
  const others = () => people.filter(({ mine, state }) => !mine && state === 'alive').map(({ id }) => id);

  const list = createList(at('members'), {
    async ask({ id, name }) {
      const asked = picture.travel('question', cluster.id, [id]);
      try {
        const answer = await cluster.request(id, howAreYou, null, { timeoutMs: ASK_MS });
        const text = textOf(answer?.text, '…');
        // The answer is here before the dot, which people are to see, has reached who gives it.
        await asked;
        picture.say(id, text);
        await picture.travel('answer', id, [cluster.id]);
        note(['note', `${name} answers: ${text}`]);
      } catch (error) {
        note(['note', `${name} does not answer (${error instanceof Error ? error.message : error})`]);
      }
    },
    async kill({ name }) {
      note(['note', (await command(name, 'kill')) ?? `You have killed ${name}. Nobody knows that yet.`]);
    },
    async start({ name }) {
      note(['note', (await command(name, 'start')) ?? `You have started ${name} again.`]);
    },
  });

  function show(): void {
    people = everybody(cluster, welcome);
    picture.show(people.filter(({ state }) => state !== 'unknown'));
    list.show(people, nameOf);
    const { name, state, via } = me();
    at('me').textContent = `You are ${name}.`;
    document.title = `${name}: isogossip, live`;
    const connected = via !== undefined && state === 'alive';
    status.dataset.state = connected ? 'connected' : 'waiting';
    const text = connected ? `Connected by ${nameOf(via)}` : via ? 'Reconnecting …' : 'Connecting …';
    if (status.textContent !== text) status.textContent = text;
    const alive = people.filter((person) => person.state === 'alive');
    at('cluster-text').textContent = `${alive.length} members alive; the list of members says the same in words.`;
    showReceivers();
  }

  function showReceivers(): void {
    const select = at<HTMLSelectElement>('to');
    const wanted = people.filter(({ mine, state }) => !mine && state === 'alive');
    const chosen = select.value;
    const options = wanted.map(({ id, name }) => new Option(name, id, false, id === chosen));
    select.replaceChildren(new Option('everybody', ''), ...options);
    select.value = wanted.some(({ id }) => id === chosen) ? chosen : '';
  }

  const onEvent = (event: ClusterEvent) => {
    const now = personOf(event.member, cluster, welcome);
    const before = told.get(now.id);
    if (event.type === 'removed') told.delete(now.id);
    else told.set(now.id, now);
    show();
    const lines = wordsFor(event, now, before, nameOf);
    for (const line of lines) note(line);
  };
  for (const type of ['joined', 'state', 'metadata', 'left', 'removed', 'resumed'] as const) cluster.on(type, onEvent);

  cluster.on(chat, ({ data, from, direct }: Message<{ text: string }>) => {
    const text = textOf(data?.text, '…');
    const person = personOf(from, cluster, welcome);
    picture.travel(direct ? 'direct' : 'broadcast', from.id, direct ? [cluster.id] : [cluster.id, ...others()]);
    picture.say(from.id, text);
    showChat(person, text, direct ? ' to you alone' : '');
  });
  cluster.handle(howAreYou, ({ from }) => {
    void picture.travel('question', from.id, [cluster.id]).then(() => picture.travel('answer', cluster.id, [from.id]));
    note(['note', `${personOf(from, cluster, welcome).name} asks how you are`]);
    return { text: `${me().mood}; a tab on ${navigator.platform || 'some machine'}` };
  });

  at<HTMLFormElement>('say').addEventListener('submit', (event) => {
    event.preventDefault();
    const input = at<HTMLInputElement>('text');
    const text = textOf(input.value);
    if (!text) return;
    const to = at<HTMLSelectElement>('to').value;
    picture.travel(to ? 'direct' : 'broadcast', cluster.id, to ? [to] : others());
    picture.say(cluster.id, text);
    showChat(me(), text, to ? ` to ${nameOf(to)} alone` : '');
    if (to) cluster.send(to, chat, { text }).catch((error) => note(['note', `Not sent: ${error.message}`]));
    else cluster.broadcast(chat, { text });
    input.value = '';
  });

  const about = at<HTMLFormElement>('about');
  const [name, mood] = [at<HTMLInputElement>('name'), at<HTMLInputElement>('mood')];
  name.value = me().name;
  mood.value = me().mood;
  for (const colour of COLOURS) about.querySelector('fieldset')?.append(colourChoice(colour, colour === me().colour));
  about.addEventListener('submit', (event) => {
    event.preventDefault();
    const colour = new FormData(about).get('colour');
    cluster.setMetadata({ name: textOf(name.value, me().name), mood: textOf(mood.value), colour });
  });

  told.set(cluster.id, me());
  show();
  await cluster.join();
  show();
}

function colourChoice(colour: string, checked: boolean): HTMLLabelElement {
  const label = document.createElement('label');
  label.className = `colour-${colour}`;
  const input = document.createElement('input');
  Object.assign(input, { type: 'radio', name: 'colour', value: colour, checked });
  const text = document.createElement('span');
  text.textContent = colour;
  label.append(input, text);
  return label;
}

try {
  await run(await visit());
} catch (error) {
  status.textContent = error instanceof Error ? error.message : String(error);
}
