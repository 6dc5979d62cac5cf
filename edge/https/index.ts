// The HTTPS door (mra-wire §1): the only way from the internet to inside web services. Trusts no client and, of what
// core answers, only that it is HTTP. Memory: one bounded head per connection, two bounded buffers per request under
// way, one number per connected address.
export type {
  DoorAdmission,
  ChannelLimits,
  CoreLink,
  DoorLog,
  WebSocketDoor,
  DoorTls,
  HttpsDoorOptions,
} from './door-options.ts';
export { isFirstOfStun, type OtherProtocol } from './first-bytes.ts';
export { createHttpsDoor, type HttpsDoor, type HttpsDoorStats } from './https-door.ts';
