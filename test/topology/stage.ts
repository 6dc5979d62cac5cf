// The topology with everybody on it: DNS in both views, Kamailio and the node's web services inside, edge and core
// paired and running. Phones and scripts are started by the tests.
import { fileURLToPath } from 'node:url';
import { TestAuthority } from '../interop/certificates.ts';
import { startBaresip, type Baresip, type BaresipOptions } from '../interop/baresip.ts';
import { startDnsmasq } from '../interop/dnsmasq.ts';
import { startKamailio } from '../interop/kamailio.ts';
import { ADDRESS, CORE_NAME, DOMAIN, EDGE_NAME, UCM_NAME } from './addresses.ts';
import { buildGround, type Ground } from './enterprise.ts';
import { hideCore } from './firewalls.ts';
import type { Namespace } from './network.ts';
import { ProcessKeeper, type StartedProcess } from './process-keeper.ts';
import { makeRunFolder, type RunFolder } from './run-folder.ts';
import { until } from './until.ts';
import { ViaductProcess, writePairFiles, type CoreChanges } from './viaduct.ts';

/** Programs a suite on this stage needs. */
export const STAGE_PROGRAMS = ['nft', 'dnsmasq', 'openssl', 'curl', 'kamailio', 'baresip', 'tcpdump'];

export interface Stage {
  readonly ground: Ground;
  readonly keeper: ProcessKeeper;
  readonly folder: RunFolder;
  /** Signed the edge's public certificate; what clients believe. */
  readonly publicAuthority: TestAuthority;
  /** Signed the certificates of the servers inside. */
  readonly authority: TestAuthority;
  readonly kamailio: StartedProcess;
  readonly node: StartedProcess;
  /** Starts the node's web services, or Kamailio, again after a test has stopped them. */
  readonly startAgain: { node(): Promise<StartedProcess>; kamailio(): Promise<StartedProcess> };
  readonly edge: ViaductProcess;
  readonly core: ViaductProcess;
  close(): Promise<void>;
}

/** What one suite wants different. */
export interface StageChanges {
  /** The inner firewall hides core's address from the DMZ (masquerade). */
  readonly hidesCore?: boolean;
  /** Core gets a certificate for its inside TLS port, and these changes to its file. */
  /** Sections that replace those of edge's file; secrets go into files of the folder. */
  readonly edge?: object | ((folder: string) => object);
  readonly core?: (certificate: { chain: string; key: string }) => CoreChanges;
}

/** Builds and starts everything, and waits until the links are up. */
export async function setStage(label: string, changes: StageChanges = {}): Promise<Stage> {
  const folder = makeRunFolder(label);
  const keeper = new ProcessKeeper(folder.path);
  const ground = buildGround(label);
  if (changes.hidesCore === true) hideCore(ground.inner);
  const close = async (): Promise<void> => {
    await keeper.stopAll();
    ground.network.remove();
    folder.remove();
  };
  try {
    const publicAuthority = new TestAuthority(folder.path, 'public');
    const inside = await startInside(keeper, ground, folder.path);
    const files = await writePairFiles(
      keeper,
      folder.path,
      { edge: publicAuthority.issue([EDGE_NAME, DOMAIN]), insideAuthority: inside.authority.certificate },
      changes.core?.(inside.authority.issue([CORE_NAME, ADDRESS.core])),
      typeof changes.edge === 'function'
        ? (changes.edge as (path: string) => object)(folder.path)
        : changes.edge,
    );
    const edge = new ViaductProcess(keeper, 'edge', ground.edge, files.edge);
    const core = new ViaductProcess(keeper, 'core', ground.core, files.core);
    await Promise.all([edge.start(), core.start()]);
    await linksUp(edge, core);
    return { ground, keeper, folder, publicAuthority, ...inside, edge, core, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Inside = Pick<Stage, 'authority' | 'kamailio' | 'node' | 'startAgain'>;

async function startInside(keeper: ProcessKeeper, ground: Ground, folder: string): Promise<Inside> {
  const authority = new TestAuthority(folder, 'inside');
  const leaf = authority.issue([UCM_NAME]);
  const startAgain = {
    kamailio: () =>
      startKamailio(keeper, {
        folder,
        at: ground.ucm,
        address: ADDRESS.ucm,
        domains: [UCM_NAME],
        tls: leaf,
        fixedUsers: { 2001: `sip:${ADDRESS.script}:5060;transport=tcp` },
      }),
    node: () =>
      startNode(keeper, ground.ucm, { ...leaf, name: UCM_NAME, address: ADDRESS.ucm, domain: DOMAIN }),
  };
  const [kamailio, node] = await Promise.all([
    startAgain.kamailio(),
    startAgain.node(),
    startDnsmasq(keeper, {
      name: 'outside',
      at: ground.internet,
      address: ADDRESS.internetNearClients,
      hosts: { [EDGE_NAME]: ADDRESS.edgePublic },
      services: { [`_collab-edge._tls.${DOMAIN}`]: { target: EDGE_NAME, port: 8443 } },
    }),
    startDnsmasq(keeper, {
      name: 'inside',
      at: ground.ucm,
      address: ADDRESS.ucm,
      hosts: { [UCM_NAME]: ADDRESS.ucm, [CORE_NAME]: ADDRESS.core, [EDGE_NAME]: ADDRESS.edgeInternal },
      services: { [`_cisco-uds._tcp.${DOMAIN}`]: { target: UCM_NAME, port: 8443 } },
    }),
  ]);
  return { authority, kamailio, node, startAgain };
}

async function startNode(keeper: ProcessKeeper, at: Namespace, settings: object): Promise<StartedProcess> {
  const program = fileURLToPath(new URL('../interop/unified-cm-node.ts', import.meta.url));
  const command = [process.execPath, program, JSON.stringify(settings)];
  const node = keeper.start(command, { inside: at.exec, name: 'unified-cm-node' });
  await node.said(/node ready/);
  return node;
}

/** Waits until both processes say that every plane of the link is up. */
export async function linksUp(
  edge: ViaductProcess,
  core: ViaductProcess,
  deadlineMs = 10_000,
): Promise<void> {
  let seen = '';
  const up = async (): Promise<boolean> => {
    const planes = await Promise.all([edge.planes(), core.planes()]);
    seen = JSON.stringify(planes);
    return planes.every((one) => one.length > 0 && one.every(({ state }) => state === 'up'));
  };
  await until('links up', up, {
    deadlineMs,
    everyMs: 50,
    detail: () => `${seen}\nedge:\n${edge.log(30)}\ncore:\n${core.log(30)}`,
  });
}

type PhoneWishes = Pick<BaresipOptions, 'user' | 'speaks'> & Partial<BaresipOptions>;

/** A phone outside: TLS to the edge by name, SRTP, registered when this resolves. */
export async function outsidePhone(
  stage: Stage,
  where: 'client' | 'client2',
  wishes: PhoneWishes,
): Promise<Baresip> {
  const phone = await startBaresip(stage.keeper, {
    folder: stage.folder.path,
    at: stage.ground[where],
    address: ADDRESS[where],
    domain: UCM_NAME,
    outbound: `sip:${EDGE_NAME}:5061;transport=tls`,
    transport: 'tls',
    mediaEncryption: 'srtp-mand',
    authority: stage.publicAuthority.certificate,
    ...wishes,
  });
  await phone.registered();
  return phone;
}

/** A desk phone inside: TCP to the registrar, plain RTP. */
export async function insidePhone(stage: Stage, wishes: PhoneWishes): Promise<Baresip> {
  const phone = await startBaresip(stage.keeper, {
    folder: stage.folder.path,
    at: stage.ground.phone,
    address: ADDRESS.phone,
    domain: UCM_NAME,
    outbound: `sip:${ADDRESS.ucm}:5060;transport=tcp`,
    transport: 'tcp',
    ...wishes,
  });
  await phone.registered();
  return phone;
}
