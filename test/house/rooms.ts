// Which room may import which: the table of the house. An arrow that is not here does not exist.

const PROTOCOL_ROOMS = ['turn', 'sip', 'xmpp', 'media', 'http'] as const;

/** Room → rooms it may import besides itself. */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  turn: [],
  http: [],
  xmpp: [],
  sip: ['turn'],
  media: ['turn'],
  zones: ['turn', 'http'],
  auth: ['http', 'zones'],
  config: ['zones'],
  edge: ['zones', 'auth', 'config', 'admin', ...PROTOCOL_ROOMS],
  core: ['zones', 'auth', 'config', 'admin', ...PROTOCOL_ROOMS],
  rem: ['zones', 'auth', ...PROTOCOL_ROOMS],
  admin: ['config', 'zones', 'auth', 'edge', 'core', 'lab'],
  lab: ['config', 'zones', 'auth', ...PROTOCOL_ROOMS],
  test: ['config', 'zones', 'auth', 'edge', 'core', 'rem', 'admin', 'lab', ...PROTOCOL_ROOMS],
};

/**
 * Files that cross a room's border on purpose, `room/file → room`. Only the places where processes are put together
 * may read the configuration or reach the admin listener.
 */
export const ASSEMBLY_ONLY: Readonly<Record<string, readonly RegExp[]>> = {
  'edge→config': [/^edge\/edge\.ts$/, /^edge\/assembly\//],
  'core→config': [/^core\/core\.ts$/, /^core\/assembly\//],
  'edge→admin': [/^edge\/edge\.ts$/, /^edge\/assembly\//],
  'core→admin': [/^core\/core\.ts$/, /^core\/assembly\//],
  'admin→edge': [/^admin\/cli\//],
  'admin→core': [/^admin\/cli\//],
  'admin→lab': [/^admin\/cli\//],
};
