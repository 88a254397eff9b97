/**
 * Several transports as one: a member that is on sockets for servers and on WebSocket for services reaches each peer by
 * the first way that both have.
 */
import { GossipError } from '../errors.js';
import type { Transport } from './transport.js';

/**
 * Makes one transport of several; which of them carries a frame follows from the form of the address.
 *
 * Its address is the list of theirs, joined by spaces, in this order: put first what peers should prefer.
 * @throws {GossipError} `ERR_OPTION` when there is none; when started also `ERR_OPTION` for a list longer than
 *   `limits.stringBytesMax`, and whatever one of them cannot start with: then none stays open.
 */
export function several(transports: readonly Transport[]): Transport {
  if (transports.length === 0) throw new GossipError('ERR_OPTION', 'several() needs at least one transport');
  const all = [...transports];
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= Promise.all(all.map((one) => one.close())).then(() => {});
    return closing;
  };
  const pick = (address: string): Transport => {
    const found = all.find((one) => one.carriage(address) !== undefined);
    if (found) return found;
    const names = all.map(({ name }) => name).join(' nor ');
    throw new GossipError('ERR_ADDRESS', `neither ${names} can dial ${JSON.stringify(address)}`);
  };
  return {
    name: all.map(({ name }) => name).join('+'),
    get datagramBytesMax() {
      return Math.max(...all.map((one) => one.datagramBytesMax));
    },
    carriage: (address) => all.find((one) => one.carriage(address) !== undefined)?.carriage(address),
    async start(host) {
      try {
        const addresses: string[] = [];
        for (const one of all) {
          if (closing) throw new GossipError('ERR_CLOSED', 'the transports were closed while they started');
          addresses.push(await one.start(host));
        }
        const list = addresses.join(' ');
        if (list.length <= host.limits.stringBytesMax) return list;
        throw new GossipError('ERR_OPTION', `the addresses ${list} are longer than limits.stringBytesMax`);
      } catch (error) {
        await close();
        throw error;
      }
    },
    send: async (address, frame, options) => pick(address).send(address, frame, options),
    request: async (address, frame, options) => pick(address).request(address, frame, options),
    close,
  };
}
