/** Clusters in memory under the contract, and the trace that every runtime must have. */
import { assert, test } from 'vitest';
import { clusterContract } from '../contract/cluster.js';
import { memoryClusterKinds } from '../contract/kinds.js';
import { traceContract } from '../contract/trace.js';

for (const kind of memoryClusterKinds()) clusterContract({ test, assert }, kind);
traceContract({ test, assert });
