// Keys and values that all members have.
import { createStore } from 'isogossip/store';
import { join, start } from '../common/member.ts';
import { type Command, terminal } from '../common/terminal.ts';
import { shareWithGo } from './go-twin.ts';

const cluster = await start();
const store = await createStore(cluster);
shareWithGo(cluster, store);
store.watch({ prefix: '' }, ({ key, value }) => {
  console.log(value === undefined ? `${key} is gone` : `${key} is now ${value}`);
});

const commands: Record<string, Command> = {
  set: ([key = '', ...words]) => store.set(key, words.join(' ')),
  get: ([key = '']) => console.log(`${key} = ${store.get(key) ?? 'nothing'}`),
  delete: ([key = '']) => store.delete(key),
  keys: () => console.log(store.keys().join(', ')),
};
terminal(cluster, commands, () => store.close());
await join(cluster);
