/**
 * Apollo Client as an application sets it up: queries and mutations over HTTP, subscriptions over
 * graphql-ws. A test tells it what to do: lines.mjs says how, journey.mjs says what.
 *
 * One command more: {"do": "over", "transport": "multipart" or "graphql-ws"} says how what is
 * subscribed from then on is sent.
 */
import {
  ApolloClient,
  ApolloLink,
  CombinedGraphQLErrors,
  CombinedProtocolErrors,
  gql,
  HttpLink,
  InMemoryCache,
} from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getOperationAST } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { endpoints, journey, refusedBy } from './journey.mjs';
import { Refused, serve } from './lines.mjs';
import { refusedByClose, watchedSocket } from './socket.mjs';

// GraphQLWsLink asks the global one what a closed socket is, and Node has none before 22.
globalThis.WebSocket ??= WebSocket;

const { http, socket } = endpoints();
let token = null;
let multipart = false;

const watched = watchedSocket(socket, () => token);
const sockets = createClient(watched.options);
const authorized = new SetContextLink(({ headers }) => ({
  headers: token === null ? headers : { ...headers, authorization: `Bearer ${token}` },
}));
const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.split(
    ({ operationType }) => operationType === 'subscription' && !multipart,
    new GraphQLWsLink(sockets),
    authorized.concat(new HttpLink({ uri: http })),
  ),
});

async function execute(text, variables) {
  const document = gql(text);
  try {
    const { data } =
      getOperationAST(document)?.operation === 'mutation'
        ? await client.mutate({ mutation: document, variables })
        : // Into the cache, as in an application, but never out of it: the test asks the server.
          await client.query({ query: document, variables, fetchPolicy: 'network-only' });
    return data;
  } catch (error) {
    throw refusedFrom(error);
  }
}

function subscribe(text, variables, sink) {
  const results = client.subscribe({ query: gql(text), variables });
  return new Promise((resolve, reject) => {
    const end = (refused) => {
      // Without effect when the command has been answered already.
      reject(refused ?? new Refused('The subscription ended at once.'));
      sink.end(refused);
    };
    const start = () =>
      results.subscribe({
        next: ({ data, error }) => (error ? end(refusedFrom(error)) : sink.next(data)),
        error: (error) => end(refusedFrom(error)),
        complete: () => end(null),
      });
    if (multipart) resolve(start());
    else watched.sent(start).then(resolve);
  });
}

function refusedFrom(error) {
  if (CombinedGraphQLErrors.is(error)) return refusedBy(error.errors);
  // How a stream says why it is broken off.
  if (CombinedProtocolErrors.is(error)) return refusedBy(error.errors);
  // Whatever is not GraphQL, such as a proxy's page, has an HTTP status; a socket has a close code.
  if (error.statusCode !== undefined) return new Refused(error.message, error.statusCode);
  return refusedByClose(error.cause ?? error);
}

serve({
  ...journey({
    execute,
    subscribe,
    signedIn: (accessToken) => {
      token = accessToken;
    },
    close: async () => {
      client.stop();
      await sockets.dispose();
    },
  }),
  over: ({ transport }) => {
    multipart = transport === 'multipart';
  },
});
