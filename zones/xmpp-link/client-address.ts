// Where a client is, as edge says when it opens a stream for its session.

/** Header of the request that opens a session. */
export const CLIENT_ADDRESS = 'x-forwarded-for';
