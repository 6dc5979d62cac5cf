// `npm run bench -- NAME [ARGS…]`: runs one benchmark beside its named peers on the same work in the same run. Each
// module exports `run(args)`, prints a table and ends with one JSON line.
type Bench = { run(args: readonly string[]): Promise<void> };

/** Name on the command line → module. */
const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  auth: () => import('./auth.ts'),
  flood: () => import('./flood.ts'),
  https: () => import('./https.ts'),
  memory: () => import('./memory.ts'),
  sip: () => import('./sip.ts'),
  media: () => import('./media.ts'),
  turn: () => import('./turn.ts'),
  xmpp: () => import('./xmpp.ts'),
  'xmpp-parser': () => import('./xmpp-parser.ts'),
  'xmpp-idle': () => import('./xmpp-idle.ts'),
};

const [name = '', ...args] = process.argv.slice(2);
const load = BENCHES[name];
if (load === undefined) {
  console.error(`usage: npm run bench -- NAME\nbenchmarks: ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}
await (await load()).run(args);
