/**
 * The bare graphql-sse client, each operation on a connection of its own: queries, mutations and
 * subscriptions are all streamed. A test tells it what to do: lines.mjs says how, journey.mjs says
 * what. It comes back by itself, and `events` goes on after the last cursor.
 */
import { createClient } from 'graphql-sse';
import { endpoints, journey, refusedBy } from './journey.mjs';
import { Refused, serve, tell } from './lines.mjs';

// A test that restarts the server should not sit through graphql-sse's seconds of backing off.
const RETRY_AFTER_MS = 100;

let token = null;

const client = createClient({
  url: endpoints().http,
  headers: () => (token === null ? {} : { authorization: `Bearer ${token}` }),
  retryAttempts: Infinity,
  retry: () => new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS)),
  on: { connected: (wasRetry) => tell({ socket: { state: 'connected', wasRetry } }) },
});

async function execute(query, variables) {
  const results = client.iterate({ query, variables });
  const { value } = await results.next();
  if (value.errors) throw refusedBy(value.errors);
  const { done } = await results.next();
  if (!done) throw new Error('There was more than one result.');
  return value.data;
}

async function subscribe(query, variables, sink) {
  // graphql-sse sends this very object again when it comes back.
  const request = { query, variables: { ...variables } };
  const next = ({ data, errors }) => {
    if (errors) {
      sink.end(refusedBy(errors));
      return;
    }
    if (data.events?.cursor) request.variables.after = data.events.cursor;
    sink.next(data);
  };
  client.subscribe(request, {
    next,
    error: (cause) => sink.end(new Refused(cause.message)),
    complete: () => sink.end(null),
  });
}

serve({
  ...journey({
    execute,
    subscribe,
    signedIn: (accessToken) => {
      token = accessToken;
    },
    close: () => client.dispose(),
  }),
  /** Uses another access token from the next connection on. */
  use: ({ accessToken }) => {
    token = accessToken;
  },
});
