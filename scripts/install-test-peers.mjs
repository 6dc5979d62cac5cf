// Installs the programs that the interop tests talk to, from Debian's own packages: what is there already is skipped,
// nothing that is installed gets started. Not root or not Debian: says in words what is missing and which suites
// will be skipped. Safe to run again; always exits 0, because a machine without the peers still runs the other tests.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Program, the package that brings it, and the suites that need it. */
const PEERS = [
  ['ip', 'iproute2', 'all'],
  ['nft', 'nftables', 'topology'],
  ['conntrack', 'conntrack', 'media (NAT rebinding)'],
  ['dnsmasq', 'dnsmasq-base', 'topology'],
  ['openssl', 'openssl', 'topology'],
  ['curl', 'curl', 'topology (HTTPS client)'],
  ['baresip', 'baresip-core', 'calls'],
  ['kamailio', 'kamailio', 'calls, scenarios'],
  ['/kamailio/modules/tls.so', 'kamailio-tls-modules', 'calls over TLS inside'],
  ['tcpdump', 'tcpdump', 'calls'],
  ['sipp', 'sip-tester', 'SIP scenarios'],
  ['stunnel', 'stunnel4', 'SIP scenarios'],
  ['prosody', 'prosody', 'messaging'],
  ['ejabberdctl', 'ejabberd', 'messaging'],
  ['profanity', 'profanity', 'messaging'],
  ['tmux', 'tmux', 'messaging'],
  ['php', 'php-cli', 'single sign-on (identity provider)'],
  ['/usr/share/simplesamlphp/www/module.php', 'simplesamlphp', 'single sign-on (identity provider)'],
  ['chromium', 'chromium', 'single sign-on (browser)'],
  ['turnutils_uclient', 'coturn', 'TURN'],
  ['certutil', 'libnss3-tools', 'ICE (browser)'],
  ['pkg-config', 'pkg-config', 'ICE'],
  ['/libnice.so', 'libnice-dev', 'ICE'],
  ['slapd', 'slapd', 'passwords in a directory'],
  ['gcc', 'gcc', 'SRTP'],
  ['/libsrtp2.so', 'libsrtp2-dev', 'SRTP'],
  ['clang++', 'clang', 'native engine under sanitizers'],
  ['/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux', 'libclang-rt-14-dev', 'native engine under sanitizers'],
  ['/libcrypto.so', 'libssl-dev', 'native engine under sanitizers'],
];
const POLICY = '/usr/sbin/policy-rc.d';

function isInstalled(program) {
  if (program.startsWith('/')) {
    return ['', '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib'].some((folder) =>
      existsSync(folder + program),
    );
  }
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder && existsSync(path.join(folder, program)));
}

function isDebian() {
  try {
    return /^ID(_LIKE)?=.*debian/m.test(readFileSync('/etc/os-release', 'utf8')) && isInstalled('apt-get');
  } catch {
    return false;
  }
}

function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync('apt-get', ['-q', ...args], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Installs packages while a policy that forbids starting services is in place. */
function install(packages) {
  const ownPolicy = !existsSync(POLICY);
  if (ownPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const wanted = ['install', '-y', '--no-install-recommends', ...packages];
    let result = apt(...wanted);
    if (result.status !== 0) {
      apt('update');
      result = apt(...wanted);
    }
    return result.status === 0 ? undefined : (result.stderr || result.stdout).trim().split('\n').at(-1);
  } finally {
    if (ownPolicy) rmSync(POLICY, { force: true });
  }
}

function say(text) {
  process.stdout.write(`${text}\n`);
}

const missing = () => PEERS.filter(([program]) => !isInstalled(program));
const before = missing();

if (before.length === 0) {
  say('test peers: all installed');
} else {
  const packages = before.map(([, name]) => name);
  const mayInstall = process.platform === 'linux' && process.getuid?.() === 0 && isDebian();
  if (mayInstall) {
    say(`test peers: installing ${packages.join(', ')}`);
    const trouble = install(packages);
    if (trouble) say(`test peers: apt-get failed: ${trouble}`);
  } else {
    say(`test peers: cannot install here (${isDebian() ? 'not root' : 'not a Debian system'})`);
  }
  const after = missing();
  if (after.length === 0) say('test peers: all installed');
  for (const [, name, suites] of after) say(`test peers: ${name} is missing; skipped: ${suites}`);
}
