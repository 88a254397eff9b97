/** Every contract suite against every implementation that exists on every runtime, and those that a runtime adds. */
import { type CipherKind, cipherContract } from '../contract/cipher.js';
import { type ClusterKind, clusterContract } from '../contract/cluster.js';
import { codecContract } from '../contract/codec.js';
import { compressorContract } from '../contract/compressor.js';
import { type GatewayKind, gatewayContract } from '../contract/gateway.js';
import { cipherKinds, codecKinds, compressorKinds, memoryClusterKinds, memoryKind } from '../contract/kinds.js';
import { TRACE_SEED, traceContract, traceOf } from '../contract/trace.js';
import { type TransportKind, transportContract } from '../contract/transport.js';
import { createRunner, type Result, type Runner } from './runner.js';

/** What only some runtimes have. */
export interface Here {
  ciphers?: readonly CipherKind[];
  /** `false`: WebCrypto has no AES with keys of 192 bits. */
  aes192?: boolean;
  transports?: readonly (TransportKind & ClusterKind)[];
  /** Leaves: of the gateways that whoever started this has set up, and of those of the runtime's own server. */
  leaves: readonly GatewayKind[];
  /** Asks the runtime to tell of rejections and errors that nobody caught. */
  watch(uncaught: Runner['uncaught']): void;
}

/** A run on one runtime, as plain data. */
export interface Report {
  /** What the runtime says of itself. */
  runtime: string;
  /** The trace of the simulator's scripted run. */
  trace: string;
  results: Result[];
}

/** Runs them all. */
export async function runContracts(runtime: string, here: Here): Promise<Report> {
  const { ciphers = [], aes192, transports = [], leaves, watch } = here;
  const runner = createRunner();
  watch(runner.uncaught);
  const suite = (name: string, define: () => void) => runner.suite(name, define);
  for (const kind of codecKinds) suite(`codec ${kind.name}`, () => codecContract(runner, kind));
  for (const kind of [...cipherKinds(aes192), ...ciphers])
    suite(`cipher ${kind.name}`, () => cipherContract(runner, kind));
  for (const kind of compressorKinds) suite(`compressor ${kind.name}`, () => compressorContract(runner, kind));
  for (const kind of [memoryKind(), ...transports]) {
    suite(`transport ${kind.name}`, () => transportContract(runner, kind));
  }
  for (const kind of [...memoryClusterKinds(), ...transports]) {
    suite(`cluster by ${kind.name}`, () => clusterContract(runner, kind));
  }
  for (const kind of leaves) suite(`leaf by ${kind.name}`, () => gatewayContract(runner, kind));
  suite('trace', () => traceContract(runner));
  return { runtime, trace: traceOf(TRACE_SEED), results: await runner.run() };
}
