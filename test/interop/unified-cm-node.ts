// The web services of a call-control node (UDS, configuration files) as a process of its own, beside a registrar that is
// somebody else's. Run: node unified-cm-node.ts '{"name":…,"address":…,"chain":FILE,"key":FILE,"domain":…}'
import { readFileSync } from 'node:fs';
import { exampleEnterprise, standardPorts } from '../../lab/unified-cm/enterprise.ts';
import { startWebServices } from '../../lab/unified-cm/web-services.ts';

interface NodeSettings {
  readonly name: string;
  readonly address: string;
  readonly chain: string;
  readonly key: string;
  readonly domain: string;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as NodeSettings;
const node = { name: settings.name, address: settings.address };
await startWebServices({
  enterprise: exampleEnterprise([node], settings.domain),
  node,
  ports: { ...standardPorts, sip: 'off', secureSip: 'off' },
  certificate: { chain: readFileSync(settings.chain, 'utf8'), key: readFileSync(settings.key, 'utf8') },
  onRequest: (line) => process.stdout.write(`${line.service} ${line.method} ${line.target} ${line.status}\n`),
});
process.stdout.write('node ready\n');
