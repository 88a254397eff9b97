// Watches others live, fall silent and die: every change of a state, and the counts after it.
import { json } from 'isogossip/codec/json';
import { join, start } from '../common/member.ts';
import { terminal } from '../common/terminal.ts';

// As its Go twin: JSON, neither sealed nor compressed. `local` looks for the dead as often as one machine can afford.
const cluster = await start({ codec: json(), cipher: undefined, compressor: undefined, preset: 'local' });
terminal(cluster);

const states = ['alive', 'suspect', 'leaving', 'dead'] as const;
for (const type of ['joined', 'state', 'left'] as const) {
  cluster.on(type, ({ member, previous }) => {
    const time = new Date().toLocaleTimeString();
    const members = cluster.members();
    const counts = states.map((state) => `${members.filter((one) => one.state === state).length} ${state}`);
    console.log(`[${time}] ${member.id.slice(-8)}: ${previous} -> ${member.state} (${counts.join(', ')})`);
  });
}
await join(cluster);
