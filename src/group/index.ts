/** Groups: the members of a cluster that have a tag or certain metadata, as one thing to look at, tell and ask. */
import type { Cluster } from '../index.js';
import type { GroupCriteria } from './criteria.js';
import { DataGroup, type DataGroupOptions } from './data-group.js';
import { Group } from './group.js';

export type { AskOptions, GroupAnswer } from './asking.js';
export type { Criterion, GroupCriteria } from './criteria.js';
export type { GroupEvent } from './roster.js';
export { DataGroup, type DataGroupOptions, Group };

/**
 * Makes a group of the members that have a tag, metadata that fits, or both; with neither, of everybody. It holds those who are
 * there at once, and follows its cluster until it is closed.
 * @throws GossipError `ERR_OPTION`
 */
export function createGroup(cluster: Cluster, criteria: GroupCriteria = {}): Group {
  return new Group(cluster, criteria);
}

/**
 * Makes a group that keeps a value for each member.
 * @throws GossipError `ERR_OPTION`
 */
export function createDataGroup<T>(cluster: Cluster, options: DataGroupOptions<T>): DataGroup<T> {
  return new DataGroup(cluster, options);
}
