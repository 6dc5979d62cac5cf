// Federation at core: the policy, judged again for every pair that an edge brings; the roads on which stanzas go on, inward to
// the servers of our domains and outward through an edge; the door for those servers.
// Trusts: the configuration; a server inside once certificate or dialback has proven its domain; of an edge no more than that
// it is the pinned one. Memory: roads, bytes waiting per road, streams of edges, connections at the door.
export * from './core-federation.ts';
export * from './federation-options.ts';
