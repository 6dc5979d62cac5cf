// The configuration files a client or phone fetches from a node's file server (mra-wire §10.2): the service
// profile, the client's own settings and one file per device naming its SIP node, ports and line. Made from
// the enterprise on each request, so a file never disagrees with what the registrar accepts.
import { createElement, type Element } from 'ltx';
import { type Enterprise, findDevice, type LabDevice } from './enterprise.ts';

/** The SIP ports that device files name. */
export interface AnnouncedPorts {
  readonly sip: number;
  readonly secureSip: number;
}

/** The content of `/name`, or undefined when no such file exists. */
export function renderConfigFile(
  enterprise: Enterprise,
  ports: AnnouncedPorts,
  name: string,
): string | undefined {
  if (name === 'SPDefault.cnf.xml') return print(serviceProfile(enterprise));
  if (name === 'jabber-config.xml') return print(clientSettings(enterprise));
  const device = /^([A-Za-z0-9._-]{1,64})\.cnf\.xml$/.exec(name)?.[1];
  const found = device === undefined ? undefined : findDevice(enterprise, device);
  return found === undefined ? undefined : print(deviceFile(enterprise, ports, found));
}

function serviceProfile(enterprise: Enterprise): Element {
  const address = enterprise.nodes[0]?.name ?? '';
  return createElement(
    'serviceProfile',
    { uri: 'SPDefault', version: enterprise.version },
    createElement('directory', {}, leaf('type', 'UDS')),
    createElement('userDataServices', {}, leaf('address', address), leaf('protocol', 'https')),
  );
}

function clientSettings(enterprise: Enterprise): Element {
  return createElement(
    'config',
    { version: '1.0' },
    createElement(
      'Policies',
      {},
      leaf('ServicesDomain', enterprise.domain),
      leaf('EnableSIPURIDialling', 'true'),
    ),
    createElement('Directory', {}, leaf('DirectoryServerType', 'UDS')),
  );
}

function deviceFile(enterprise: Enterprise, ports: AnnouncedPorts, device: LabDevice): Element {
  return createElement(
    'device',
    {},
    leaf('fullConfig', 'true'),
    leaf('deviceProtocol', 'SIP'),
    createElement(
      'devicePool',
      {},
      createElement('callManagerGroup', {}, callManagers(enterprise, ports)),
      createElement('dateTimeSetting', {}, leaf('timeZone', 'Etc/UTC')),
    ),
    createElement(
      'sipProfile',
      {},
      createElement('sipProxies', {}, leaf('registerWithProxy', 'true')),
      leaf('startMediaPort', '16384'),
      leaf('stopMediaPort', '32766'),
      leaf('timerRegisterExpires', '120'),
      leaf('timerRegisterDelta', '5'),
      createElement('sipLines', {}, sipLine(ports, device)),
    ),
    leaf('deviceSecurityMode', '1'),
    leaf('transportLayerProtocol', '1'),
  );
}

function callManagers(enterprise: Enterprise, ports: AnnouncedPorts): Element {
  const members = enterprise.nodes.map((node, index) =>
    createElement(
      'member',
      { priority: String(index) },
      createElement(
        'callManager',
        {},
        leaf('name', node.name),
        createElement(
          'ports',
          {},
          leaf('sipPort', String(ports.sip)),
          leaf('securedSipPort', String(ports.secureSip)),
        ),
        leaf('processNodeName', node.name),
      ),
    ),
  );
  return createElement('members', {}, ...members);
}

function sipLine(ports: AnnouncedPorts, device: LabDevice): Element {
  return createElement(
    'line',
    { button: '1' },
    leaf('featureID', '9'),
    leaf('featureLabel', device.directoryNumber),
    leaf('proxy', 'USECALLMANAGER'),
    leaf('port', String(ports.sip)),
    leaf('name', device.directoryNumber),
    leaf('displayName', device.displayName),
    leaf('authName', device.name),
    leaf('authPassword', device.digestPassword ?? ''),
  );
}

function leaf(name: string, text: string): Element {
  return createElement(name, {}, text);
}

function print(root: Element): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root.toString()}\n`;
}
