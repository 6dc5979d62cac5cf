// The web services of a call-control node (UDS, configuration files) as a process of its own, beside a registrar that is
// somebody else's. Its clear file port also has phone firmware of any size: `/<n>-mib.bin` is n MiB of zeros.
// Run: node unified-cm-node.ts '{"name":…,"address":…,"chain":FILE,"key":FILE,"domain":…}'
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { renderConfigFile } from '../../lab/unified-cm/config-files.ts';
import { exampleEnterprise, standardPorts } from '../../lab/unified-cm/enterprise.ts';
import { startWebServices } from '../../lab/unified-cm/web-services.ts';

interface NodeSettings {
  readonly name: string;
  readonly address: string;
  readonly chain: string;
  readonly key: string;
  readonly domain: string;
}

const MIB = 1024 * 1024;
const zeros = Buffer.alloc(MIB);

function firmware(mebibytes: number, response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': mebibytes * MIB });
  const pieces = (function* () {
    for (let i = 0; i < mebibytes; i++) yield zeros;
  })();
  const source = Readable.from(pieces, { objectMode: false });
  source.pipe(response);
  response.on('close', () => {
    source.destroy();
    log(`files closed after ${response.writableFinished ? 'all' : 'a part'}`);
  });
}

function log(text: string): void {
  process.stdout.write(`${text}\n`);
}

const settings = JSON.parse(process.argv[2] ?? '{}') as NodeSettings;
const node = { name: settings.name, address: settings.address };
const enterprise = exampleEnterprise([node], settings.domain);
await startWebServices({
  enterprise,
  node,
  ports: { ...standardPorts, files: 0, sip: 'off', secureSip: 'off' },
  certificate: { chain: readFileSync(settings.chain, 'utf8'), key: readFileSync(settings.key, 'utf8') },
  onRequest: (line) => log(`${line.service} ${line.method} ${line.target} ${line.status}`),
});
const files = createServer((request, response) => {
  const target = request.url ?? '/';
  log(`files ${request.method} ${target} ${JSON.stringify(request.headers)}`);
  const size = /^\/(\d{1,5})-mib\.bin$/.exec(target)?.[1];
  if (size !== undefined) return firmware(Number(size), response);
  const body = renderConfigFile(enterprise, { sip: 5060, secureSip: 5061 }, target.slice(1));
  response.writeHead(body === undefined ? 404 : 200, { 'Content-Type': 'text/xml' }).end(body);
});
files.listen(standardPorts.files, settings.address, () => log('node ready'));
