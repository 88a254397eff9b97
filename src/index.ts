/** The public face of isogossip: everything an application needs that works on every platform. */
export { createCluster } from './create-cluster.js';
export * from './face.js';
