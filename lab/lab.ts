// The lab put together: files, name servers and Unified CM in this process, edge and core as processes of their own,
// all on loopback and without root. Whatever ends this process ends everything it started.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { addressPlan, labPorts } from './address-plan.ts';
import { type LabChild, startChild } from './child-process.ts';
import { startNameServer } from './dns/name-server.ts';
import { insideView, outsideView } from './dns/views.ts';
import { findTakenPorts } from './free-ports.ts';
import { startIdentityProvider } from './identity-provider/identity-provider.ts';
import { startImPresence } from './im-presence/im-presence.ts';
import { type LabFiles, writeLabFiles } from './lab-files.ts';
import { type Enterprise, exampleEnterprise, standardPorts } from './unified-cm/enterprise.ts';
import { startUnifiedCm } from './unified-cm/unified-cm.ts';

export interface Lab {
  readonly files: LabFiles;
  readonly enterprise: Enterprise;
  readonly children: readonly LabChild[];
  /** Ends everything in order. */
  close(): Promise<void>;
  /** Ends everything at once; for exit handlers, which cannot wait. */
  kill(): void;
}

/** Ports that others hold; each problem is a sentence. */
export class LabPortsTaken extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'LabPortsTaken';
    this.problems = problems;
  }
}

/** Beside this room's source, or one further up when this is the built package (`dist/lab`). */
const launcher =
  ['../bin/viaduct.mjs', '../../bin/viaduct.mjs']
    .map((place) => fileURLToPath(new URL(place, import.meta.url)))
    .find(existsSync) ?? 'viaduct.mjs';
const childGraceMs = 4_000;

/** Starts everything. Throws LabPortsTaken before anything is started. */
export async function startLab(nowMs: number): Promise<Lab> {
  const problems = await findTakenPorts(labPorts());
  if (problems.length > 0) throw new LabPortsTaken(problems);
  const files = await writeLabFiles(nowMs);
  const running: { close(): Promise<void> }[] = [];
  const children: LabChild[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.stop()));
    await Promise.all(running.map((service) => service.close()));
    files.remove();
  };
  const kill = (): void => {
    for (const child of children) child.kill();
    files.remove();
  };
  process.once('exit', kill);
  try {
    children.push(viaduct('edge', files.edgeConfig, files), viaduct('core', files.coreConfig, files));
    const enterprise = await startEnterprise(files, running);
    return {
      files,
      enterprise,
      children,
      kill,
      close: async () => {
        await close();
        process.off('exit', kill);
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function viaduct(role: 'edge' | 'core', config: string, files: LabFiles): LabChild {
  return startChild({
    name: role,
    command: [process.execPath, launcher, role, config],
    logFile: path.join(files.folder, `${role}.log`),
    graceMs: childGraceMs,
  });
}

async function startEnterprise(files: LabFiles, running: { close(): Promise<void> }[]): Promise<Enterprise> {
  const { domain, edge, core, imPresence, unifiedCm, outsideDns, insideDns } = addressPlan;
  const enterprise = exampleEnterprise([{ name: unifiedCm.name, address: unifiedCm.address }], domain);
  const outside = outsideView(domain, [{ ...edge, port: edge.https }], [addressPlan.identityProvider]);
  const inside = insideView(domain, [{ ...unifiedCm, udsPort: standardPorts.uds }], [core]);
  const { identityProvider } = addressPlan;
  const { web, signing, serviceProvider } = files.identityProvider;
  running.push(
    await startIdentityProvider({
      ...identityProvider,
      enterprise,
      certificate: web,
      signing,
      serviceProvider,
    }),
  );
  running.push(await startNameServer({ ...outsideDns, zones: outside }));
  running.push(await startNameServer({ ...insideDns, zones: inside }));
  const authority = files.insideAuthority;
  const cluster = await startUnifiedCm({
    enterprise,
    ports: standardPorts,
    certificate: files.unifiedCm,
    authority,
  });
  running.push(cluster);
  const { address, soap, xmpp } = imPresence;
  running.push(
    await startImPresence({
      enterprise,
      address,
      port: xmpp,
      soapPort: soap,
      certificate: files.imPresence,
      userOfToken: (token) => cluster.userOfToken(token),
    }),
  );
  return enterprise;
}
