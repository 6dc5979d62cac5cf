// A pair that does not fit together: what edge and core tell their operators on /status. No door of the other stays shut
// because of it, and nothing has to be restarted to see the cause.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { createPair, type PairRequest, printBundle } from '../../zones/pair/pair.ts';
import { renewIdentity } from '../../zones/pair/renew.ts';
import { resolveZone, type ZoneFile, zoneFileSchema } from '../../zones/zone-file.ts';
import { makeRunFolder } from '../topology/run-folder.ts';
import { until } from '../topology/until.ts';
import { type Company, CORE_NAME, EDGE_NAME, foundCompany, type ZoneTexts, zoneFiles } from './company.ts';

const DAY_MS = 86_400_000;
const SKEW_MS = 94_000;
const IMPOSTOR = 'edge2.example.com';

let company: Company | undefined;
afterEach(async () => {
  await company?.close();
  company = undefined;
});

const read = (yaml: string): ZoneFile => zoneFileSchema.parse(parse(yaml));

/** The same peer with a certificate that was good for one day, `daysFromNow` off. */
async function withLife(yaml: string, authorityPem: string, daysFromNow: number): Promise<string> {
  const file = read(yaml);
  const zone = resolveZone(file, file['traversal-zone'].identity);
  const identity = await renewIdentity({
    authorityPem,
    zoneAuthority: zone.authority,
    name: zone.self.name,
    identity: zone.identity,
    days: 1,
    now: Date.now() + daysFromNow * DAY_MS,
  });
  return stringify({ 'traversal-zone': { ...file['traversal-zone'], identity: printBundle(identity) } });
}

type Make = (request: PairRequest) => Promise<ZoneTexts>;

const shifted =
  (role: 'edge' | 'core', daysFromNow: number): Make =>
  async (request) => {
    const pair = await createPair({ ...request, now: request.now - 20 * DAY_MS });
    const files = zoneFiles(pair);
    return { ...files, [role]: await withLife(files[role], pair.authorityPem, daysFromNow) };
  };

/** Core's file lists one edge; at its address stands another of the same zone. */
const wrongEdge: Make = async (request) => {
  const [edge] = request.edges;
  const edges = [
    { name: EDGE_NAME, address: edge?.address ?? '' },
    { name: IMPOSTOR, address: edge?.address ?? '' },
  ];
  const pair = await createPair({ ...request, edges });
  const yaml = (name: string): string => pair.files.find((file) => file.name === name)?.yaml ?? '';
  const core = read(yaml(CORE_NAME))['traversal-zone'];
  const believed = core.edges.filter(({ name }) => name === EDGE_NAME);
  return { edge: yaml(IMPOSTOR), core: stringify({ 'traversal-zone': { ...core, edges: believed } }) };
};

const strangers: Make = async (request) => ({
  edge: zoneFiles(await createPair(request)).edge,
  core: zoneFiles(await createPair(request)).core,
});

interface Row {
  readonly title: string;
  readonly pair: Make;
  readonly edgeName?: string;
  readonly atEdge: RegExp;
  readonly atCore: RegExp;
}

const rows: readonly Row[] = [
  {
    title: "core's certificate has expired",
    pair: shifted('core', -10),
    atEdge: /peer's certificate expired on \d{4}-\d\d-\d\d \(or this clock is wrong\): renew it/,
    atCore: /our certificate has expired \(or its clock is wrong\): renew it with viaduct renew/,
  },
  {
    title: "edge's certificate has expired",
    pair: shifted('edge', -10),
    atEdge: /the certificate of edge\.example\.com has expired: renew it with viaduct renew/,
    atCore: /peer's certificate expired on \d{4}-\d\d-\d\d/,
  },
  {
    title: "core's certificate is of tomorrow",
    pair: shifted('core', 1),
    atEdge: /peer's certificate is not valid before .+ \(clock differs\?\)/,
    atCore: /our certificate is not valid yet by its clock: set both clocks by NTP/,
  },
  {
    title: 'another edge of the zone stands where core dials',
    pair: wrongEdge,
    edgeName: IMPOSTOR,
    atEdge: /this core has not connected yet/,
    atCore: /certificate name wrong: wanted edge\.example\.com, peer has edge2\.example\.com/,
  },
  {
    title: 'the two zone files are of different pairs',
    pair: strangers,
    // core turns away before it has shown who it is
    atEdge: /this core has not connected yet/,
    atCore: /peer's certificate is not signed by this pair's authority/,
  },
];

test.each(rows)('$title', async ({ pair, edgeName, atEdge, atCore }) => {
  const edge = edgeName === undefined ? {} : { edge: { name: edgeName } };
  company = await foundCompany({ block: 24, pair, edge });
  const { edge: first, core: second } = company;
  await Promise.all([first.start(), second.start()]);
  for (const [process, words] of [
    [first, atEdge],
    [second, atCore],
  ] as const) {
    let said = '';
    await until(
      String(words),
      async () => words.test((said = JSON.stringify((await process.status())['zones']))),
      { detail: () => said },
    );
  }
});

test('clocks that differ are told with the seconds, and the links work', async () => {
  const folder = makeRunFolder('e2e-clock');
  const preload = path.join(folder.path, 'ahead.mjs');
  writeFileSync(preload, `const now = Date.now; Date.now = () => now() + ${SKEW_MS};\n`);
  const ahead = { NODE_OPTIONS: `--import=${pathToFileURL(preload).href}` };
  company = await foundCompany({ block: 24, environment: { core: ahead } });
  await company.start();
  for (const process of [company.edge, company.core]) {
    let said = '';
    await until(
      'the clock is told',
      async () =>
        /clock differs by 9[345] s \(the peer's is (ahead|behind)\): set both by NTP/.test(
          (said = JSON.stringify((await process.status())['zones'])),
        ),
      { detail: () => said },
    );
  }
  folder.remove();
});
