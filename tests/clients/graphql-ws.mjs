/**
 * The bare graphql-ws client: everything but signing in goes over one socket, which is opened as soon
 * as somebody is signed in. A test tells it what to do: lines.mjs says how, journey.mjs says what.
 *
 * One command more: {"do": "connect", "accessToken": …} opens a socket in place of the last one, with
 * a token of the test's choice, or for nobody when it is null.
 */
import { createClient } from 'graphql-ws';
import { endpoints, journey, refusedBy } from './journey.mjs';
import { Refused, serve, tell } from './lines.mjs';
import { refusedByClose, watchedSocket } from './socket.mjs';

const { http, socket } = endpoints();
let watched = null;
let client = null;

function connect(accessToken) {
  leave();
  watched = watchedSocket(socket, () => accessToken);
  client = createClient({
    ...watched.options,
    lazy: false,
    onNonLazyError: (cause) => {
      const { message, code } = refusedByClose(cause);
      tell({ socket: { state: 'failed', message, code } });
    },
  });
}

async function leave() {
  try {
    await client?.dispose();
  } catch {
    // It was still connecting and will not connect any more, which is what was asked for.
  }
}

async function execute(query, variables) {
  if (client === null) return overHttp(query, variables);
  return new Promise((resolve, reject) => {
    client.subscribe(
      { query, variables },
      {
        next: ({ data, errors }) => (errors ? reject(refusedBy(errors)) : resolve(data)),
        error: (cause) => reject(refusedFrom(cause)),
        complete: () => reject(new Refused('The operation completed without a result.')),
      },
    );
  });
}

/** Nobody is signed in yet, and whether a socket is open to nobody is not what this client is for. */
async function overHttp(query, variables) {
  const response = await fetch(http, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw refusedBy(errors);
  return data;
}

function subscribe(query, variables, sink) {
  if (client === null) throw new Refused('Nobody is connected: register, logIn or connect first.', 'BAD_COMMAND');
  return new Promise((resolve, reject) => {
    const end = (refused) => {
      // Without effect when the command has been answered already.
      reject(refused ?? new Refused('The subscription ended at once.'));
      sink.end(refused);
    };
    const start = () =>
      client.subscribe(
        { query, variables },
        {
          next: ({ data, errors }) => (errors ? end(refusedBy(errors)) : sink.next(data)),
          error: (cause) => end(refusedFrom(cause)),
          complete: () => end(null),
        },
      );
    watched.sent(start).then(resolve);
  });
}

function refusedFrom(cause) {
  return Array.isArray(cause) ? refusedBy(cause) : refusedByClose(cause);
}

serve({
  ...journey({ execute, subscribe, signedIn: connect, close: leave }),
  connect: ({ accessToken }) => connect(accessToken),
});
