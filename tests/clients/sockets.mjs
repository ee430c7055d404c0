/**
 * The bare graphql-ws client in whatever mode a test wants it. lines.mjs says how it is told to do
 * things; these are they:
 *
 *   {"do": "open", "tokens", …}   make a client; its nth socket is opened with the nth token, the last
 *       one serves all that follow, and null is for nobody. "lazy", "lazyCloseTimeout" and "keepAlive" are graphql-ws's own;
 *       with "patience" a socket on which a pong takes longer, in milliseconds, is given up
 *   {"do": "subscribe", "name", "query", "variables"}   start an operation
 *   {"do": "complete", "name"}    have had enough of it
 *   {"do": "terminate"}           take the socket for dead
 *
 * Results come as {"event": {"name", "data", "errors"}}, ends as {"ended": {"name", "error"}}; what the
 * socket does, as {"socket": {"state": "connecting" | "connected" | "closed" | "pinged" | "ponged"}}.
 */
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { endpoints, refusedBy } from './journey.mjs';
import { serve, tell } from './lines.mjs';
import { refusedByClose } from './socket.mjs';

const RETRY_AFTER_MS = 100;

let client = null;
const running = new Map();

function open({ tokens, lazy, lazyCloseTimeout, keepAlive, patience }) {
  let next = 0;
  let overdue;
  client = createClient({
    url: endpoints().socket,
    webSocketImpl: WebSocket,
    connectionParams: () => {
      const token = tokens[Math.min(next++, tokens.length - 1)];
      return token === null ? {} : { authorization: `Bearer ${token}` };
    },
    lazy,
    lazyCloseTimeout,
    keepAlive,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS)),
    onNonLazyError: (cause) => tell({ socket: { state: 'failed', code: refusedByClose(cause).code } }),
    on: {
      connecting: (isRetry) => tell({ socket: { state: 'connecting', isRetry } }),
      connected: (_, __, wasRetry) => tell({ socket: { state: 'connected', wasRetry } }),
      closed: ({ code, reason }) => {
        clearTimeout(overdue);
        tell({ socket: { state: 'closed', code, reason } });
      },
      ping: (received) => {
        if (received) return;
        tell({ socket: { state: 'pinged' } });
        if (patience !== undefined) overdue = setTimeout(() => client.terminate(), patience);
      },
      pong: (received) => {
        if (!received) return;
        clearTimeout(overdue);
        tell({ socket: { state: 'ponged' } });
      },
    },
  });
}

function subscribe({ name, query, variables = {} }) {
  const complete = client.subscribe(
    { query, variables },
    {
      next: ({ data, errors }) => tell({ event: { name, data, errors } }),
      error: (cause) => {
        const { message, code } = Array.isArray(cause) ? refusedBy(cause) : refusedByClose(cause);
        tell({ ended: { name, error: { message, code } } });
      },
      complete: () => tell({ ended: { name, error: null } }),
    },
  );
  running.set(name, complete);
}

serve({
  open,
  subscribe,
  complete: ({ name }) => running.get(name)(),
  terminate: () => client.terminate(),
  close: () => client?.dispose(),
});
