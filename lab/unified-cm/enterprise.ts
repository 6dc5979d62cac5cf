// Who works at the embedded enterprise: its call-control nodes, people, devices and lines. A value that the
// web services, the configuration files and the SIP registrar all read. Passwords here open nothing outside
// the lab; a real Unified CM keeps them in its own directory.

/** One call-control node. `name` is what certificates and configuration files carry. */
export interface CallControlNode {
  readonly name: string;
  readonly address: string;
}

export interface LabUser {
  readonly id: string;
  readonly password: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly email: string;
}

/**
 * A phone or soft client with one line. `digestPassword` absent: the registrar asks this device for nothing,
 * which is what a Unified CM line without digest authentication does.
 */
export interface LabDevice {
  readonly name: string;
  readonly model: string;
  readonly description: string;
  readonly userId: string;
  readonly directoryNumber: string;
  readonly displayName: string;
  readonly digestPassword?: string;
}

export interface Enterprise {
  readonly domain: string;
  readonly version: string;
  readonly nodes: readonly CallControlNode[];
  readonly users: readonly LabUser[];
  readonly devices: readonly LabDevice[];
}

/** Ports a node offers. 0 lets the kernel choose; `off` leaves that door shut. */
export interface NodePorts {
  readonly uds: number;
  readonly files: number;
  readonly secureFiles: number;
  readonly sip: number | 'off';
  readonly secureSip: number | 'off';
}

/** The ports of a real node (mra-wire §7.3). */
export const standardPorts: NodePorts = {
  uds: 8443,
  files: 6970,
  secureFiles: 6972,
  sip: 5060,
  secureSip: 5061,
};

/** Finds a user by id, without regard to case as a directory does. */
export function findUser(enterprise: Enterprise, id: string): LabUser | undefined {
  const wanted = id.toLowerCase();
  return enterprise.users.find((user) => user.id.toLowerCase() === wanted);
}

/** Finds a user by mail address, without regard to case. */
export function findUserByEmail(enterprise: Enterprise, email: string): LabUser | undefined {
  const wanted = email.toLowerCase();
  return enterprise.users.find((user) => user.email.toLowerCase() === wanted);
}

/** Devices that a user owns, in the order they were declared. */
export function devicesOf(enterprise: Enterprise, userId: string): readonly LabDevice[] {
  return enterprise.devices.filter((device) => device.userId === userId);
}

/** Finds a device by its name, without regard to case (`csfalice` registers as `CSFALICE`). */
export function findDevice(enterprise: Enterprise, name: string): LabDevice | undefined {
  const wanted = name.toLowerCase();
  return enterprise.devices.find((device) => device.name.toLowerCase() === wanted);
}

/** Alice works from outside with a soft client; Bob has a desk phone inside. */
export function exampleEnterprise(nodes: readonly CallControlNode[], domain = 'example.com'): Enterprise {
  return {
    domain,
    version: '14.0.1',
    nodes,
    users: [
      {
        id: 'alice',
        password: 'wonderland',
        firstName: 'Alice',
        lastName: 'Adams',
        email: `alice@${domain}`,
      },
      { id: 'bob', password: 'builder', firstName: 'Bob', lastName: 'Brown', email: `bob@${domain}` },
    ],
    devices: [
      {
        name: 'CSFALICE',
        model: 'Cisco Unified Client Services Framework',
        description: "Alice's soft client",
        userId: 'alice',
        directoryNumber: '1001',
        displayName: 'Alice Adams',
        digestPassword: 'looking-glass',
      },
      {
        name: 'SEP001122334455',
        model: 'Cisco 8845',
        description: "Bob's desk phone",
        userId: 'bob',
        directoryNumber: '1002',
        displayName: 'Bob Brown',
      },
    ],
  };
}
