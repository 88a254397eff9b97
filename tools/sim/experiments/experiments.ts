/** The papers' experiments, by the name they are asked for. */
import { detached } from './detached.js';
import type { Experiment } from './experiment.js';
import { lifeguard } from './lifeguard.js';
import { rapid } from './rapid.js';
import { swim } from './swim.js';

export const EXPERIMENTS: Readonly<Record<string, Experiment>> = { lifeguard, swim, rapid, detached };
