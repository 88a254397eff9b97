/** Clusters by each carrier of Node's under the contract. */
import { assert, test } from 'vitest';
import { clusterContract } from '../contract/cluster.js';
import { httpKind, socketKind, webSocketKind } from '../contract/kinds.node.js';

for (const kind of [socketKind, httpKind, webSocketKind]) clusterContract({ test, assert }, kind);
