// What the HTTPS benchmark is measured beside, from Debian's packages: nginx as backend, and nginx (TLS) in front of
// OpenSSH's `ssh -R`. All on loopback, with their own configuration and keys in a folder that goes away.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';

/** Programs the benchmark needs and the package that has each. */
export const NEEDED: Readonly<Record<string, string>> = {
  '/usr/sbin/nginx': 'nginx-light',
  '/usr/sbin/sshd': 'openssh-server',
  '/usr/bin/ssh': 'openssh-client',
  '/usr/bin/wrk': 'wrk',
  '/usr/bin/curl': 'curl',
};

export const SMALL_BYTES = 1024;
export const LARGE_BYTES = 1024 ** 3;

/** Writes the files that are served: 1 KiB, and 1 GiB that takes no disk. */
export function writeContent(folder: string): void {
  mkdirSync(`${folder}/www`);
  writeFileSync(`${folder}/www/small.xml`, 'x'.repeat(SMALL_BYTES));
  writeFileSync(`${folder}/www/large.bin`, '');
  truncateSync(`${folder}/www/large.bin`, LARGE_BYTES);
}

export function writeBackend(folder: string, listen: string): string {
  return writeNginx(folder, 'backend', `server { listen ${listen}; root ${folder}/www; }`);
}

/** The front takes every path under the lane's segment, as ours does. */
export function writeFront(folder: string, listen: string, tunnel: string): string {
  return writeNginx(
    folder,
    'front',
    `upstream tunnel { server ${tunnel}; keepalive 64; keepalive_requests 1000000000; }
     server {
       listen ${listen} ssl;
       ssl_certificate ${folder}/tls.pem;
       ssl_certificate_key ${folder}/tls.key;
       ssl_protocols TLSv1.2 TLSv1.3;
       location / {
         rewrite ^/[^/]+(/.*)$ $1 break;
         proxy_pass http://tunnel;
         proxy_http_version 1.1;
         proxy_set_header Connection "";
         proxy_max_temp_file_size 0;
       }
     }`,
  );
}

function writeNginx(folder: string, name: string, server: string): string {
  const file = `${folder}/${name}.conf`;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${name}-${kind};`)
    .join('\n');
  writeFileSync(
    file,
    `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; worker_processes 1; pid ${folder}/${name}.pid; error_log stderr crit;
     events { worker_connections 4096; }
     http {
       access_log /dev/null;
       sendfile on; tcp_nopush on; tcp_nodelay on;
       keepalive_requests 1000000000;
       ${temporary}
       ${server}
     }`,
  );
  return file;
}

/** Keys and configuration of an OpenSSH server that lets this user in and forwards. */
export function writeSshd(folder: string, at: { address: string; port: number }): string {
  for (const name of ['host', 'user']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${folder}/${name}_key`]);
  }
  execFileSync('cp', [`${folder}/user_key.pub`, `${folder}/authorized_keys`]);
  appendFileSync(`${folder}/known_hosts`, '');
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const file = `${folder}/sshd_config`;
  writeFileSync(
    file,
    `ListenAddress ${at.address}\nPort ${at.port}\nHostKey ${folder}/host_key\nAuthorizedKeysFile ${folder}/authorized_keys\n` +
      `PidFile ${folder}/sshd.pid\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nAllowTcpForwarding yes\nGatewayPorts clientspecified\n` +
      'PasswordAuthentication no\n',
  );
  return file;
}

/** The client's side: what the core would dial. `forward` as `ssh -R` takes it. */
export function sshArguments(
  folder: string,
  server: { address: string; port: number },
  forward: string,
): string[] {
  const options = [
    'StrictHostKeyChecking=no',
    `UserKnownHostsFile=${folder}/known_hosts`,
    'ExitOnForwardFailure=yes',
    'LogLevel=ERROR',
  ];
  return [
    '-N',
    '-F',
    '/dev/null',
    '-i',
    `${folder}/user_key`,
    '-p',
    String(server.port),
    '-R',
    forward,
    '-c',
    'aes128-gcm@openssh.com',
    ...options.flatMap((option) => ['-o', option]),
    `${userInfo().username}@${server.address}`,
  ];
}
