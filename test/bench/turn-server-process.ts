// Our TURN server alone in a process, as the benchmark's party. Argument: its port. Everything is as delivered except
// what the generator needs: loopback peers, all clients of one user and one address.
import { testServer } from '../../turn/test-server.ts';

const server = testServer({
  policy: { allow: ['127.0.0.0/8'], ownAddresses: [], relayAddresses: [] },
  machine: {
    maxAllocations: 6_000,
    maxAllocationsPerUser: 6_000,
    maxAllocationsPerDeployment: 6_000,
    refusalsPerSecondPerAddress: 60_000,
  },
  server: {
    listeners: [{ transport: 'udp', bind: { address: '127.0.0.1', port: Number(process.argv[2]) } }],
  },
});
await server.listen();
console.log('ready');
