// The call-control node as a program of its own, for tests that bring their own SIP registrar or network:
//   node lab/unified-cm/main.ts --address 10.0.3.10 --name ucm1.example.com --authority-out ca.pem [--sip off]
// Prints one JSON line with the ports once everything listens, then one per web request. Ends on SIGTERM.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createLabAuthority } from '../authority/authority.ts';
import { type Enterprise, exampleEnterprise, type NodePorts, standardPorts } from './enterprise.ts';
import { startUnifiedCm } from './unified-cm.ts';

const { values } = parseArgs({
  options: {
    address: { type: 'string' },
    name: { type: 'string' },
    domain: { type: 'string', default: 'example.com' },
    /** `off`: UDS and files only. */
    sip: { type: 'string', default: 'on' },
    /** JSON of an Enterprise; replaces the example people and devices. */
    enterprise: { type: 'string' },
    /** PEM files; without them a certificate is made, and its authority written to --authority-out. */
    certificate: { type: 'string' },
    key: { type: 'string' },
    'authority-out': { type: 'string' },
  },
});

const { address } = values;
if (address === undefined) {
  process.stderr.write('lab/unified-cm: --address is needed: the IPv4 address to listen on\n');
  process.exit(1);
}
const node = { name: values.name ?? address, address };
const enterprise: Enterprise =
  values.enterprise === undefined
    ? exampleEnterprise([node], values.domain)
    : (JSON.parse(readFileSync(values.enterprise, 'utf8')) as Enterprise);
const issued = await certificate();
const ports: NodePorts =
  values.sip === 'off' ? { ...standardPorts, sip: 'off', secureSip: 'off' } : standardPorts;
const cluster = await startUnifiedCm({
  enterprise,
  ports,
  certificate: issued,
  authority: issued.authority,
  onRequest: (line) => print(line),
});
print({ ready: true, address, uds: ports.uds, files: [ports.files, ports.secureFiles], sip: ports.sip });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cluster.close().then(() => process.exit(0)));
}

async function certificate(): Promise<{ chain: string; key: string; authority: string }> {
  if (values.certificate !== undefined && values.key !== undefined) {
    const chain = readFileSync(values.certificate, 'utf8');
    return { chain, key: readFileSync(values.key, 'utf8'), authority: chain };
  }
  const authority = await createLabAuthority('Inside authority of the lab', Date.now());
  const out = values['authority-out'];
  if (out !== undefined) writeFileSync(out, authority.certificate);
  const names = enterprise.nodes.flatMap((one) => [one.name, one.address]);
  return { ...(await authority.issue([...new Set(names)])), authority: authority.certificate };
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
