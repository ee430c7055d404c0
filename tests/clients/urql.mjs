/**
 * urql as an application sets it up, with subscriptions over SSE (`fetchSubscriptions`) or over
 * graphql-ws. A test tells it what to do: lines.mjs says how, journey.mjs says what.
 *
 * One command more: {"do": "over", "transport": "sse" or "graphql-ws"}, before anything is subscribed.
 */
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import { pipe, onEnd, subscribe as listen } from 'wonka';
import { endpoints, journey, refusedBy } from './journey.mjs';
import { Refused, serve } from './lines.mjs';
import { refusedByClose, watchedSocket } from './socket.mjs';

const { http, socket } = endpoints();
let token = null;

const { options } = watchedSocket(socket, () => token);
const sockets = createClient(options);
const overSocket = subscriptionExchange({
  forwardSubscription: (request) => ({
    subscribe: (sink) => ({ unsubscribe: sockets.subscribe(request, sink) }),
  }),
});
const clients = {
  sse: urql({ exchanges: [fetchExchange], fetchSubscriptions: true }),
  'graphql-ws': urql({ exchanges: [fetchExchange, overSocket] }),
};
let client = clients.sse;

function urql(given) {
  const fetchOptions = () => ({
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
  });
  return new Client({ url: http, fetchOptions, preferGetMethod: false, ...given });
}

async function execute(query, variables) {
  const run = /^\s*mutation/.test(query) ? 'mutation' : 'query';
  const { data, error } = await client[run](query, variables).toPromise();
  if (error) throw refusedFrom(error);
  return data;
}

async function subscribe(query, variables, sink) {
  pipe(
    client.subscription(query, variables),
    onEnd(() => sink.end(null)),
    // When a stream ends, urql says so with the last data again.
    listen(({ data, error, hasNext }) => {
      if (error) sink.end(refusedFrom(error));
      else if (hasNext) sink.next(data);
    }),
  );
}

function refusedFrom({ graphQLErrors, networkError, message }) {
  if (graphQLErrors.length > 0) return refusedBy(graphQLErrors);
  return networkError ? refusedByClose(networkError) : new Refused(message);
}

serve({
  ...journey({
    execute,
    subscribe,
    signedIn: (accessToken) => {
      token = accessToken;
    },
    close: () => sockets.dispose(),
  }),
  over: ({ transport }) => {
    client = clients[transport];
  },
});
