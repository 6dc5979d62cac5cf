// The HTTP/1.1 room (RFC 9110, RFC 9112): strict reading and writing of messages, used on every hop: client to edge,
// edge to core, core to inside servers. Trusts no peer on any hop. Memory before anything is decided: one head of at
// most `maxHeadBytes` per connection; bodies are never gathered unless a handler asks with a limit of its own.
export { type Authority, parseAuthority } from './authority.ts';
export { type BodySink, nowhere } from './body-sink.ts';
export { canonicalPath, type CanonicalTarget, canonicalTarget } from './canonical-path.ts';
export {
  type ClientConnectionOptions,
  type ClientLimits,
  HttpClientConnection,
  type ResponseHandler,
} from './client-connection.ts';
export { type Acquired, ClientPool, type ClientPoolOptions } from './client-pool.ts';
export { Deadlines, type Expiring } from './deadlines.ts';
export { HeaderList, isToken } from './header-list.ts';
export { HttpError, type HttpReason, reasonPhrase } from './http-error.ts';
export { IncomingBody } from './incoming-body.ts';
export type {
  BodyLength,
  Framing,
  HeadLimits,
  OutgoingRequest,
  OutgoingResponse,
  RequestHead,
  ResponseHead,
} from './message.ts';
export { plainName } from './parse-fields.ts';
export { parseRequest, type RequestLimits, USUAL_METHODS } from './parse-request.ts';
export { parseResponse } from './parse-response.ts';
export {
  HttpServerConnection,
  type ServerConnectionOptions,
  type ServerLimits,
} from './server-connection.ts';
export type { ServerExchange } from './server-exchange.ts';
