// The commands of a person at a terminal: those that every example has, and its own.
import { createInterface } from 'node:readline';
import type { Cluster } from 'isogossip';

/** What a command does; `words` are what follows its name. */
export type Command = (words: string[]) => unknown;

/** Reads commands until `exit`, the end of the input or Ctrl-C; then closes what is to be closed before, and the member leaves. */
export function terminal(cluster: Cluster, own: Record<string, Command> = {}, close?: () => Promise<void>): void {
  const show = (values: object) =>
    Object.entries(values)
      .map(([key, value]) => `${key} = ${value}`)
      .join(', ');
  const commands: Record<string, Command> = {
    whoami: () => console.log(cluster.id, cluster.address),
    peers() {
      for (const { id, address, state, metadata } of cluster.members()) {
        console.log(`${id}  ${address}  ${state}  ${show(metadata)}`.trimEnd());
      }
    },
    'set-meta': ([key = '', ...value]) => cluster.setMetadata({ [key]: value.join(' ') }),
    'get-meta': ([id = '', key = '']) => console.log(`${key} = ${cluster.member(id)?.metadata[key]}`),
    'show-meta': ([id = '']) => console.log(show(cluster.member(id)?.metadata ?? {})),
    ...own,
    help: () => console.log(Object.keys(commands).join(', ')),
    exit: () => input.close(),
  };
  const input = createInterface({ input: process.stdin });
  input.on('line', async (line) => {
    const [name = '', ...words] = line.trim().split(/\s+/);
    try {
      if (name) await (commands[name] ?? (() => console.log(`no command ${name}; help lists them`)))(words);
    } catch (error) {
      console.log(String(error));
    }
  });
  input.once('close', async () => {
    await close?.();
    await cluster.leave();
    // Whoever still holds its other end would keep us.
    process.stdin.destroy();
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => input.close());
}
