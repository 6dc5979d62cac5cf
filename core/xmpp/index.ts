// Core's messaging plane: every session that an edge opens is judged again here and led to a server of its domain.
// Trusts: the servers inside, once their certificate has proven their name; of an edge no more than that it is the pinned one.
// Memory: sessions in all and per user, stream limits in both directions, one frame, one window per session on the link.
export * from './core-xmpp.ts';
export * from './core-xmpp-options.ts';
