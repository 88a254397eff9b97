/**
 * The cluster as a picture: members are nodes that arrange themselves (d3-force), tabs hang on their gateways, messages
 * travel as dots. What a state is, shape, colour and a word say together. It shows what it is given and decides nothing.
 */
import {
  forceCollide,
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
  type SimulationNodeDatum,
} from 'd3-force';
import { type Person, STATE_TEXT } from './people.js';

/** How a message looks on its way. */
export type Dot = 'broadcast' | 'direct' | 'question' | 'answer';

interface Node extends SimulationNodeDatum {
  person: Person;
  group: SVGElement;
  x: number;
  y: number;
}

interface Edge {
  source: Node;
  target: Node;
  line: SVGLineElement;
}

interface Travelling {
  group: SVGElement;
  way: string[];
  startMs: number;
  arrived(): void;
}

const HOP_MS = 520;
/** Lines light up as long as this where nothing is to move. */
const STILL_MS = 1400;
const DOTS_MAX = 150;
const BUBBLE_MS = 5000;
const BUBBLE_CHARS = 30;
/** What a node needs around its centre, with its words below. */
const ROOM = { x: 56, top: 68, bottom: 64 };
/** Below this width nodes come closer. */
const NARROW = 480;
const LEAF_DISTANCE = 108;
/** The angle between two tabs of one gateway. */
const FAN = 0.85;

/** Makes the picture in an empty `<svg>`. */
export function createPicture(svg: SVGSVGElement) {
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  const layers = ['edges', 'nodes', 'dots', 'bubbles'].map((name) => svg.appendChild(make('g', { class: name })));
  const [edgeLayer, nodeLayer, dotLayer, bubbleLayer] = layers as [SVGElement, SVGElement, SVGElement, SVGElement];
  const nodes = new Map<string, Node>();
  const edges = new Map<string, Edge>();
  const travelling = new Set<Travelling>();
  const bubbles = new Map<string, SVGElement>();
  const size = { width: 600, height: 420 };
  let frame = 0;

  const servers = () => [...nodes.values()].filter(isServer);
  /** Those that listen stand around the middle, each at its place, and their tabs fan out from them. */
  const home = (node: Node): [number, number] => {
    const gateway = nodes.get(node.person.via ?? '');
    const all = servers();
    const at = all.indexOf(gateway ?? node);
    const { width, height } = size;
    if (at < 0) return [width / 2, height / 2];
    const angle = ((2 * at - 1) / all.length) * Math.PI - Math.PI / 2;
    const x = width / 2 + Math.cos(angle) * width * 0.25;
    const y = (height - ROOM.bottom + ROOM.top) / 2 + Math.sin(angle) * height * 0.21;
    if (!gateway) return [x, y];
    const tabs = [...nodes.values()].filter(({ person }) => person.via === node.person.via);
    const fan = angle + (tabs.indexOf(node) - (tabs.length - 1) / 2) * FAN;
    return [x + Math.cos(fan) * LEAF_DISTANCE, y + Math.sin(fan) * LEAF_DISTANCE];
  };
  const links = forceLink<Node, Edge>().distance(LEAF_DISTANCE).strength(0.5);
  const pull = (node: Node) => (isServer(node) ? 0.5 : 0.25);
  const simulation = forceSimulation<Node>()
    .force('links', links)
    .force(
      'apart',
      forceManyBody<Node>().strength((node) => (isServer(node) ? -520 : -380)),
    )
    .force(
      'room',
      forceCollide<Node>(() => (size.width < NARROW ? 50 : 54)),
    )
    .force('x', forceX<Node>((node) => home(node)[0]).strength(pull))
    .force('y', forceY<Node>((node) => home(node)[1]).strength(pull))
    .on('tick', draw)
    .stop();

  function draw() {
    for (const node of nodes.values()) {
      node.x = Math.min(size.width - ROOM.x, Math.max(ROOM.x, node.x));
      node.y = Math.min(size.height - ROOM.bottom, Math.max(ROOM.top, node.y));
      node.group.setAttribute('transform', `translate(${node.x.toFixed(1)} ${node.y.toFixed(1)})`);
    }
    for (const { source, target, line } of edges.values()) {
      set(line, { x1: source.x, y1: source.y, x2: target.x, y2: target.y });
    }
    for (const [id, group] of bubbles) {
      const node = nodes.get(id);
      const half = Number(group.dataset.half);
      const x = Math.min(size.width - half - 4, Math.max(half + 4, node?.x ?? 0));
      group.setAttribute('transform', `translate(${x.toFixed(1)} ${Math.max(30, (node?.y ?? 0) - 40).toFixed(1)})`);
    }
  }

  /** Lets everything find its place: slowly, or at once. */
  function settle(alpha: number) {
    simulation.nodes([...nodes.values()]);
    links.links([...edges.values()].filter(({ target, source }) => !isServer(source) || !isServer(target)));
    if (still.matches) simulation.alpha(1).stop().tick(200);
    else simulation.alpha(Math.max(alpha, simulation.alpha())).restart();
    draw();
  }

  new ResizeObserver(() => {
    const { clientWidth, clientHeight } = svg;
    if (clientWidth === 0) return;
    Object.assign(size, { width: clientWidth, height: clientHeight });
    svg.setAttribute('viewBox', `0 0 ${clientWidth} ${clientHeight}`);
    settle(0.6);
  }).observe(svg);

  function show(people: readonly Person[]) {
    let moved = false;
    for (const person of people) {
      const node = nodes.get(person.id);
      if (!node) {
        const at = nodes.get(person.via ?? '');
        const [x, y] = at ? [at.x + 40, at.y + 40] : [size.width / 2, size.height / 2];
        nodes.set(person.id, { person, x, y, group: nodeLayer.appendChild(make('g', {})) });
        moved = true;
      } else if (node.person.via !== person.via) moved = true;
      (nodes.get(person.id) as Node).person = person;
    }
    for (const [id, { group }] of nodes) {
      if (people.some((person) => person.id === id)) continue;
      group.remove();
      nodes.delete(id);
      bubbles.get(id)?.remove();
      bubbles.delete(id);
      moved = true;
    }
    for (const node of nodes.values()) drawNode(node);
    connect();
    if (moved) settle(0.7);
  }

  /** Those that listen all know each other; a tab has its gateway. */
  function connect() {
    const wanted = new Map<string, [Node, Node]>();
    const all = servers();
    for (const [i, one] of all.entries()) {
      for (const other of all.slice(i + 1)) wanted.set(edgeKey(one.person.id, other.person.id), [one, other]);
    }
    for (const node of nodes.values()) {
      const gateway = nodes.get(node.person.via ?? '');
      if (gateway) wanted.set(edgeKey(node.person.id, gateway.person.id), [gateway, node]);
    }
    for (const [key, { line }] of edges) {
      if (wanted.has(key)) continue;
      line.remove();
      edges.delete(key);
    }
    for (const [key, [source, target]] of wanted) {
      const edge = edges.get(key) ?? {
        source,
        target,
        line: edgeLayer.appendChild(make('line', {}) as SVGLineElement),
      };
      const whole = source.person.state === 'alive' && target.person.state === 'alive';
      edge.line.setAttribute('class', `${isServer(target) ? 'mesh' : 'leaf'} ${whole ? 'whole' : 'broken'}`);
      edges.set(key, edge);
    }
  }

  /** The members that a message passes. */
  function wayOf(from: string, to: string): string[] {
    const [sender, receiver] = [nodes.get(from)?.person, nodes.get(to)?.person];
    const way = [from, sender?.via, receiver?.via, to].filter((id): id is string => id !== undefined && nodes.has(id));
    return way.filter((id, i) => id !== way[i - 1]);
  }

  /** Sends a dot on its way from one member to others. @returns when it has arrived. */
  async function travel(look: Dot, from: string, to: readonly string[]): Promise<void> {
    const colour = nodes.get(from)?.person.colour ?? 'none';
    // Nothing moves where nobody looks.
    if (document.hidden) return;
    const arrivals: Promise<void>[] = [];
    for (const id of to) {
      const way = wayOf(from, id);
      if (id === from || way.length < 2 || travelling.size >= DOTS_MAX) continue;
      if (still.matches) lightUp(way);
      else {
        const group = dotLayer.appendChild(make('g', { class: `travelling colour-${colour}` }));
        group.append(make('use', { href: `#dot-${look}` }));
        const startMs = performance.now();
        arrivals.push(new Promise((arrived) => travelling.add({ group, way, startMs, arrived })));
      }
    }
    if (frame === 0) frame = requestAnimationFrame(move);
    await Promise.all(arrivals);
  }

  function move(nowMs: number) {
    for (const dot of travelling) {
      const hops = Math.max(0, nowMs - dot.startMs) / HOP_MS;
      const hop = Math.floor(hops);
      const [a, b] = [nodes.get(dot.way[hop] ?? ''), nodes.get(dot.way[hop + 1] ?? '')];
      if (!a || !b) {
        dot.group.remove();
        travelling.delete(dot);
        dot.arrived();
        nodes.get(dot.way.at(-1) ?? '')?.group.classList.add('reached');
        continue;
      }
      const t = ease(hops - hop);
      dot.group.setAttribute('transform', `translate(${a.x + (b.x - a.x) * t} ${a.y + (b.y - a.y) * t})`);
    }
    frame = travelling.size > 0 ? requestAnimationFrame(move) : 0;
  }

  function lightUp(way: string[]) {
    for (const [i, id] of way.entries()) {
      const line = edges.get(edgeKey(id, way[i + 1] ?? ''))?.line;
      line?.classList.add('lit');
      setTimeout(() => line?.classList.remove('lit'), STILL_MS);
    }
  }

  /** Lets somebody say something in the picture. */
  function say(id: string, text: string) {
    bubbles.get(id)?.remove();
    const short = text.length > BUBBLE_CHARS ? `${text.slice(0, BUBBLE_CHARS - 1)}…` : text;
    const group = bubbleLayer.appendChild(make('g', { class: 'bubble' }));
    const box = group.appendChild(make('rect', { y: '-25', height: '27', rx: '9' }));
    const tip = group.appendChild(make('path', { d: 'M-6 1 0 9 6 1z' }));
    const words = group.appendChild(make('text', { y: '-7' }) as SVGTextElement);
    words.textContent = short;
    const half = words.getComputedTextLength() / 2 + 11;
    set(box, { x: -half, width: half * 2 });
    group.dataset.half = String(half);
    tip.before(box);
    bubbles.set(id, group);
    draw();
    setTimeout(() => {
      group.remove();
      if (bubbles.get(id) === group) bubbles.delete(id);
    }, BUBBLE_MS);
  }

  return { show, travel, say };
}

function drawNode({ group, person }: Node): void {
  const { kind, state, colour, mine, name } = person;
  group.setAttribute('class', `node ${kind} ${state} colour-${colour}${mine ? ' mine' : ''}`);
  if (!group.firstChild) {
    if (mine) group.append(make('circle', { class: 'halo', r: '31' }));
    group.append(
      make('use', { class: 'body', href: `#body-${kind}` }),
      make('text', { class: 'initial', y: '7' }),
      make('use', { class: 'state-sign', x: '19', y: '-19' }),
      make('text', { class: 'name', y: '43' }),
      make('text', { class: 'word', y: '58' }),
    );
    group.addEventListener('animationend', () => group.classList.remove('reached'));
  }
  const text = (part: string, value: string) => {
    const element = group.querySelector(`.${part}`);
    if (element && element.textContent !== value) element.textContent = value;
  };
  text('initial', (name[0] ?? '?').toUpperCase());
  text('name', mine ? `${name} (you)` : name);
  text('word', kind === 'tab' ? STATE_TEXT[state] : `${kind}, ${STATE_TEXT[state]}`);
  group.querySelector('.state-sign')?.setAttribute('href', `#sign-${state === 'unknown' ? 'dead' : state}`);
}

const isServer = ({ person }: Node) => person.kind !== 'tab';
const edgeKey = (a: string, b: string) => [a, b].sort().join(' ');
const ease = (t: number) => (t < 0.5 ? 2 * t * t : 1 - (2 - 2 * t) ** 2 / 2);

function make(name: string, attributes: Record<string, string>): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function set(element: SVGElement, attributes: Record<string, number>): void {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value.toFixed(1));
}
