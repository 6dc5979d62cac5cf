// SimpleSAMLphp from Debian as identity provider: its own files read from a folder of the test, PHP's built-in server behind
// a TLS front of ours, nothing but loopback.
import { mkdirSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Server } from 'node:net';
import path from 'node:path';
import type { ProcessKeeper } from '../topology/process-keeper.ts';

export interface SimpleSamlPhpOptions {
  readonly folder: string;
  readonly address: string;
  /** Where PHP listens behind the front. */
  readonly phpAddress: string;
  /** PEM of the web front. */
  readonly web: { readonly chain: string; readonly key: string };
  /** PEM of what signs assertions. */
  readonly signing: { readonly certificate: string; readonly key: string };
  /** Metadata of the service provider, as our own command prints it. */
  readonly serviceProvider: string;
  /** Name → password; the name is also the `uid` attribute. */
  readonly accounts: Readonly<Record<string, string>>;
}

export interface SimpleSamlPhp {
  readonly metadataUrl: string;
  /** Whether assertions are encrypted from now on. */
  encrypt(on: boolean): void;
  /** Signs with other keys from now on. */
  sign(signing: SimpleSamlPhpOptions['signing']): void;
  /** What PHP has said lately. */
  log(): string;
  close(): Promise<void>;
}

const root = '/usr/share/simplesamlphp';
const phpPort = 8080;

/** Starts it and waits until it answers. */
export async function startSimpleSamlPhp(
  keeper: ProcessKeeper,
  options: SimpleSamlPhpOptions,
): Promise<SimpleSamlPhp> {
  const { address, phpAddress, signing } = options;
  const folder = path.join(options.folder, 'simplesamlphp');
  for (const name of ['', 'config', 'metadata', 'cert', 'data', 'tmp', 'log', 'sessions'])
    mkdirSync(path.join(folder, name), { recursive: true });
  const write = (name: string, text: string): void => writeFileSync(path.join(folder, name), text);
  const base = `https://${address}:8443/simplesaml/`;
  let encrypted = false;
  const writeHosted = (): void =>
    write('metadata/saml20-idp-hosted.php', hosted(`${base}saml2/idp/metadata.php`, encrypted));
  const writeKeys = ({ certificate, key }: SimpleSamlPhpOptions['signing']): void => {
    write('cert/idp.crt', certificate);
    write('cert/idp.pem', key);
  };
  write('config/config.php', configuration(folder, base));
  write('config/authsources.php', authsources(options.accounts));
  write('sp.xml', options.serviceProvider);
  write('router.php', router);
  writeKeys(signing);
  writeHosted();
  const php = keeper.start(
    [
      'php',
      '-d',
      `session.save_path=${folder}/sessions`,
      '-S',
      `${phpAddress}:${phpPort}`,
      `${folder}/router.php`,
    ],
    {
      name: 'simplesamlphp',
      env: { SIMPLESAMLPHP_CONFIG_DIR: `${folder}/config`, PHP_CLI_SERVER_WORKERS: '2' },
    },
  );
  await php.said(/Development Server .* started/);
  const front = createSecureServer({ cert: options.web.chain, key: options.web.key }, (from, to) =>
    passOn(phpAddress, from, to),
  );
  await listen(front, address);
  return {
    metadataUrl: `${base}saml2/idp/metadata.php`,
    encrypt: (on) => {
      encrypted = on;
      writeHosted();
    },
    sign: writeKeys,
    log: () => php.tail(40),
    close: () =>
      new Promise((closed) => {
        front.closeAllConnections();
        front.close(() => closed());
      }),
  };
}

function passOn(phpAddress: string, from: IncomingMessage, to: ServerResponse): void {
  const { method, url, headers } = from;
  const inside = request(
    { host: phpAddress, port: phpPort, method, path: url, headers, agent: false },
    (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(to);
    },
  );
  inside.on('error', () => to.destroy());
  from.pipe(inside);
}

async function listen(server: Server, address: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(8443, address, resolve);
  await promise;
}

function configuration(folder: string, base: string): string {
  return `<?php
$config = [
  'baseurlpath' => '${base}',
  'certdir' => '${folder}/cert/',
  'datadir' => '${folder}/data/',
  'tempdir' => '${folder}/tmp/',
  'loggingdir' => '${folder}/log/',
  'logging.handler' => 'stderr',
  'logging.level' => SimpleSAML\\Logger::NOTICE,
  'debug' => ['saml' => false, 'backtraces' => true, 'validatexml' => true],
  'showerrors' => true,
  'errorreporting' => false,
  'technicalcontact_email' => 'na@example.org',
  'timezone' => 'UTC',
  'secretsalt' => 'a salt for one run of a test',
  'auth.adminpassword' => 'not used in this test',
  'enable.saml20-idp' => true,
  'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
  'store.type' => 'phpsession',
  'session.phpsession.savepath' => '${folder}/sessions',
  'session.cookie.secure' => true,
  'session.cookie.samesite' => 'None',
  'metadatadir' => '${folder}/metadata/',
  'metadata.sources' => [['type' => 'flatfile', 'directory' => '${folder}/metadata/'], ['type' => 'xml', 'file' => '${folder}/sp.xml']],
];
`;
}

function authsources(accounts: Readonly<Record<string, string>>): string {
  const rows = Object.entries(accounts).map(
    ([user, password]) => `    '${user}:${password}' => ['uid' => ['${user}']],`,
  );
  return `<?php\n$config = [\n  'people' => [\n    'exampleauth:UserPass',\n${rows.join('\n')}\n  ],\n];\n`;
}

function hosted(entityId: string, encrypted: boolean): string {
  return `<?php
$metadata['${entityId}'] = [
  'host' => '__DEFAULT__',
  'privatekey' => 'idp.pem',
  'certificate' => 'idp.crt',
  'auth' => 'people',
  'validate.authnrequest' => true,
  'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'saml20.sign.assertion' => true,
  'assertion.encryption' => ${encrypted},
];
`;
}

/** What a web server's configuration would do: PATH_INFO behind scripts, files as they are, and that TLS stands in front. */
const router = `<?php
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if (strpos($path, '/simplesaml/') !== 0) { http_response_code(404); return true; }
$rest = substr($path, strlen('/simplesaml'));
$_SERVER['HTTPS'] = 'on';
$_SERVER['SERVER_PORT'] = '8443';
if (preg_match('#^(/.*?\\.php)(/.*)?$#', $rest, $match) && is_file('${root}/www' . $match[1])) {
  $_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = '/simplesaml' . $match[1];
  $_SERVER['SCRIPT_FILENAME'] = '${root}/www' . $match[1];
  if (isset($match[2])) $_SERVER['PATH_INFO'] = $match[2]; else unset($_SERVER['PATH_INFO']);
  chdir(dirname($_SERVER['SCRIPT_FILENAME']));
  require $_SERVER['SCRIPT_FILENAME'];
  return true;
}
$file = realpath('${root}/www' . $rest);
if ($file !== false && preg_match('#\\.(js|css)$#', $file, $match)) {
  header('Content-Type: ' . ($match[1] === 'js' ? 'text/javascript' : 'text/css'));
  readfile($file);
  return true;
}
http_response_code(404);
return true;
`;
