/** WebSockets for graphql-ws whose comings and goings the test is told. */
import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { Refused, tell } from './lines.mjs';

// A test that restarts the server should not sit through graphql-ws's seconds of backing off.
const RETRY_AFTER_MS = 100;

/**
 * Returns `options` for graphql-ws's `createClient`, and `sent(start)`: it calls `start`, which
 * subscribes at once, and returns when the server has acknowledged the socket and the subscription
 * has been written to it.
 */
export function watchedSocket(url, accessToken) {
  const writing = new Map();
  let latest;

  class WatchedSocket extends WebSocket {
    send(text) {
      super.send(text, (error) => {
        const { type, id } = JSON.parse(text);
        // graphql-ws sends these after `connection_ack` only.
        if (!error && type === 'subscribe') writing.get(id)?.();
        writing.delete(id);
      });
    }
  }

  const options = {
    url,
    webSocketImpl: WatchedSocket,
    generateID: () => (latest = randomUUID()),
    connectionParams: () => {
      const token = accessToken();
      return token === null ? {} : { authorization: `Bearer ${token}` };
    },
    // By default graphql-ws gives up after five attempts, and at once on a refused connection; a
    // server that restarts refuses connections for longer than that.
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS)),
    on: {
      connected: (socket, payload, wasRetry) => tell({ socket: { state: 'connected', wasRetry } }),
      closed: ({ code, reason }) => tell({ socket: { state: 'closed', code, reason } }),
    },
  };
  const sent = (start) => {
    start();
    return new Promise((resolve) => writing.set(latest, resolve));
  };
  return { options, sent };
}

/** The refusal that the end of a socket amounts to: a close event, or an error on the way there. */
export function refusedByClose(cause) {
  return new Refused(cause.reason || cause.message || 'The socket closed.', cause.code);
}
