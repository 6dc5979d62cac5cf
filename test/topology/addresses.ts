// Who lives where in the topology. All of it exists only inside the namespaces of a run.
//
//   client, client2 ── nat ── internet ── outer ── edge ── inner ──┬── core
//   10.77/10.78.0.2    198.18.1.2         198.18.2.2      10.30.0.1├── ucm    (Kamailio, UDS, files, DNS inside)
//                      198.18.1.1         10.10.0.1                ├── phone, phone2
//                                         10.20.0.1 (inner)        └── script (SIPp inside)

/** The service domain, and the edge's name in it. */
export const DOMAIN = 'example.com';
export const EDGE_NAME = `edge.${DOMAIN}`;
export const CORE_NAME = 'core.corp.test';
export const UCM_NAME = 'ucm.corp.test';

export const ADDRESS = {
  client: '10.77.0.2',
  client2: '10.78.0.2',
  natPublic: '198.18.1.2',
  internetNearClients: '198.18.1.1',
  internetNearOuter: '198.18.2.1',
  outerPublic: '198.18.2.2',
  /** What the world knows the edge by; the outer firewall translates it. */
  edgePublic: '198.18.2.10',
  edgeExternal: '10.10.0.10',
  edgeInternal: '10.20.0.10',
  inner: '10.20.0.1',
  core: '10.30.0.10',
  ucm: '10.30.0.20',
  phone: '10.30.0.30',
  phone2: '10.30.0.31',
  script: '10.30.0.40',
} as const;

/** The edge's media range in these tests: small, so that the impairing relay can hold every port of it. */
export const MEDIA_PORTS = { first: 36_002, last: 36_201 } as const;
