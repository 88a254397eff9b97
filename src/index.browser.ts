/** The public face in browsers, where a member is a leaf: the same but for the code of full members. */
export { createLeaf as createCluster } from './create-leaf.js';
export * from './face.js';
