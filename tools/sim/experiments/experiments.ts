/** The papers' experiments, by the name they are asked for. */
import { detached } from './detached.js';
import type { Experiment } from './experiment.js';
import { guardians } from './guardians.js';
import { lifeguard } from './lifeguard.js';
import { rapid } from './rapid.js';
import { scale } from './scale.js';
import { swim } from './swim.js';

export const EXPERIMENTS: Readonly<Record<string, Experiment>> = { lifeguard, swim, rapid, detached, guardians, scale };
