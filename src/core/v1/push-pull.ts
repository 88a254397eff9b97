/** The Go library's exchange of states: what its peers think of others makes us ask, what we know goes to them. */
import { V1_TYPE, type V1Message, type V1StateEntry } from '../../wire/v1/packet.js';
import type { Core } from '../core.js';
import type { MemberRow } from '../row.js';
import type { V1Leaves } from './leaves.js';
import { EXCHANGE_TIMEOUT_MS, type V1Outbox } from './outbox.js';
import type { V1Peers } from './peers.js';
import { isoMark, v1Address } from './shown.js';
import { pushPullSize } from './sizes.js';

/** Source: StateGossipInterval of the Go library. */
const PUSH_PULL_MS = 45_000;
/** Members one push/pull can make us ask. Source: guess, the Go library's largest push/pull. */
const HINTS_MAX = 16;

export class PushPull {
  constructor(
    private readonly core: Core,
    private readonly peers: V1Peers,
    private readonly outbox: V1Outbox,
    private readonly leaves: V1Leaves,
  ) {
    core.schedule(core.random.unit() * PUSH_PULL_MS, () => this.#round());
  }

  #round(): void {
    const { core } = this;
    core.schedule(core.random.jitter(PUSH_PULL_MS, 0.2), () => this.#round());
    const [row] = core.random.sample(this.peers.active(), 1, (peer) => peer.state === 'alive');
    if (!row) return;
    const packet = this.outbox.packet(V1_TYPE.pushPull, this.message(row), row.id);
    this.outbox.exchange(row.address, packet, EXCHANGE_TIMEOUT_MS, ({ packet: reply }) => {
      if (reply?.dialect !== 'v1' || reply.message.kind !== 'push-pull') {
        core.probe.ask(row);
        return;
      }
      this.peers.heard(row, reply.messageId);
      this.receive(row, reply.message.entries);
    });
  }

  /** Some of what we know, for one peer. */
  message(to: MemberRow): V1Message {
    const { core } = this;
    const entries = core.random
      .sample(
        [...core.members.all()],
        pushPullSize(core.members.size),
        (row) => row !== to && v1Address(core, row) !== undefined,
      )
      .map((row) => ({
        id: row.id,
        address: v1Address(core, row, to.address) ?? '',
        state: row.state,
        stateTime: core.hlc.physical(row.stateMs),
        ...isoMark(row),
      }));
    return { kind: 'push-pull', entries };
  }

  /** What a peer thinks of others is a hint: it is followed by a join or a ping, never by a verdict. */
  receive(from: MemberRow, entries: readonly V1StateEntry[]): void {
    const { core } = this;
    // Our refutation toward v1 peers is to speak up, for our leaves as for us.
    const accused = new Set(entries.filter(({ state }) => state !== 'alive').map(({ id }) => id));
    if (accused.delete(core.self.id)) this.outbox.send([from], this.outbox.metadata(), false);
    for (const id of [...accused].slice(0, HINTS_MAX)) this.leaves.refute(id, from);
    let hints = HINTS_MAX;
    for (const entry of entries) {
      if (hints === 0) return;
      if (entry.id === core.self.id) continue;
      const row = core.members.get(entry.id);
      // Of a leaf its gateway tells us.
      if (row?.via) continue;
      const thinksAlive = entry.state === 'alive' || entry.state === 'suspect';
      if (thinksAlive && (!row || row.state === 'dead')) {
        hints--;
        core.contacts.contact(entry.address);
      } else if (row && entry.state !== 'alive' && row.heardMs < core.nowMs - core.config.timing.probeIntervalMs) {
        hints--;
        core.probe.ask(row);
      }
    }
  }
}
