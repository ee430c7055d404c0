/**
 * An EventSource as browsers have it, but with a header for the token: subscriptions by GET. It comes
 * back by itself, with the last event's id in `Last-Event-ID`, and its document knows no cursor. A
 * test tells it what to do: lines.mjs says how, journey.mjs says what.
 */
import { EventSource } from 'eventsource';
import { endpoints, journey, refusedBy } from './journey.mjs';
import { serve, tell } from './lines.mjs';

const { http } = endpoints();
let token = null;

const authorized = (headers) =>
  token === null ? headers : { ...headers, authorization: `Bearer ${token}` };

async function execute(query, variables) {
  const response = await fetch(http, {
    method: 'POST',
    headers: authorized({ 'content-type': 'application/json' }),
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw refusedBy(errors);
  return data;
}

/** Returns when the server has answered with a stream. */
function subscribe(query, variables, sink) {
  const parameters = new URLSearchParams({ query, variables: JSON.stringify(variables) });
  const source = new EventSource(`${http}?${parameters}`, {
    fetch: (url, init) => fetch(url, { ...init, headers: authorized(init.headers) }),
  });
  source.addEventListener('next', ({ data: text }) => {
    const { data, errors } = JSON.parse(text);
    if (errors) sink.end(refusedBy(errors));
    else sink.next(data);
  });
  source.addEventListener('complete', () => {
    source.close();
    sink.end(null);
  });
  source.addEventListener('error', () => tell({ socket: { state: 'away' } }));
  return new Promise((resolve) => {
    source.addEventListener('open', () => resolve());
  });
}

serve(
  journey({
    execute,
    subscribe,
    signedIn: (accessToken) => {
      token = accessToken;
    },
    close: () => {},
  }),
);
