/**
 * An application on @hubbub/resume, as it was built by `make test`. A test tells it what to do:
 * lines.mjs says how, journey.mjs has the commands for signing in; there are these besides:
 *
 *   {"do": "follow", "flavour": "graphql-ws" or "apollo", …}  keep a list of texts up to date, and tell
 *       each event when it is applied, {"event": {"resync": reason, "texts"}} when the list was fetched
 *       afresh, and {"event": {"ended": error or null}} at the end. "file" keeps the list and the cursor in a file, else they
 *       are in memory until the program ends; "variables" and "room" are passed on; applying "failOn"
 *       throws the first time; with "hold" nothing is applied before {"do": "release"}
 *   {"do": "stop"}        stop following
 *   {"do": "terminate"}   take the connection for dead
 *   {"do": "forget"}      end the session on the server; the program signs in again when it is asked for
 *       a token: only the second time if "unreachable", and never if "signedOut"
 *   {"do": "pid"}         answer with the process id
 *
 * "silence" of logIn is how many milliseconds the server may say nothing.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { ApolloClient, ApolloLink, gql, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import WebSocket from 'ws';
import { ResumeLink } from '../../web/packages/resume/dist/apollo.js';
import { connect, memory, once, resume } from '../../web/packages/resume/dist/index.js';
import { endpoints, journey, refusedBy } from './journey.mjs';
import { serve, tell } from './lines.mjs';

globalThis.WebSocket ??= WebSocket; // Node before 22

// A test that restarts the server should not sit through seconds of backing off.
const RETRY_AFTER_MS = 100;

const EVENTS = /* GraphQL */ `
  subscription Events($after: Cursor, $chatIds: [ID!]) {
    events(after: $after, chatIds: $chatIds) {
      __typename
      cursor
      seq
      chat { id }
      ... on MessageSent { message { id seq text } }
      ... on ResyncRequired { reason }
    }
  }
`;
const STATE = /* GraphQL */ `
  query State {
    viewer { cursor chats(first: 10) { nodes { messages(last: 200) { nodes { text } } } } }
  }
`;

const { http, socket } = endpoints();
let client = null;
let token = null;
let account = null;
let following = null;
const inMemory = { texts: [], store: memory() };
const failed = new Set();

async function execute(query, variables) {
  const headers = { 'content-type': 'application/json' };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  const response = await fetch(http, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  if (errors) throw refusedBy(errors);
  return data;
}

const actions = journey({
  execute,
  signedIn: (accessToken) => {
    token = accessToken;
  },
  close: async () => {
    await following?.stop();
    await client?.dispose();
  },
});

const signIn = (action) => async (command) => {
  account = { handle: command.handle, password: command.password };
  client = open(command.silence);
  return actions[action](command);
};

let unreachable = false;
let signedOut = false;

async function renew() {
  if (unreachable) {
    unreachable = false;
    throw new Error('There is no network.');
  }
  if (signedOut) return null;
  token = null; // it would be refused here too
  await actions.logIn(account);
  return token;
}

const open = (silence) =>
  connect({
    url: socket,
    accessToken: (refused) => (refused ? renew() : token),
    retryWait: () => new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS)),
    silence,
    on: {
      connected: (_, __, wasRetry) => tell({ socket: { state: 'connected', wasRetry } }),
      closed: ({ code, reason }) => tell({ socket: { state: 'closed', code, reason } }),
    },
  });

/** What is kept up to date: a list of texts, and the cursor that goes with it. */
function kept(file) {
  if (file === undefined) return inMemory;
  const written = () => {
    try {
      return JSON.parse(readFileSync(file, 'utf8'));
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      return { cursor: null, texts: [] };
    }
  };
  let { cursor, texts } = written();
  return {
    texts,
    store: {
      load: () => cursor,
      // One rename is the transaction: a program that is killed leaves both as they belong together.
      save: (next, event) => {
        cursor = next;
        if (event?.message) texts.push(event.message.text);
        writeFileSync(`${file}.new`, JSON.stringify({ cursor, texts }));
        renameSync(`${file}.new`, file);
      },
    },
  };
}

function follow({ flavour, file, failOn, hold = false, variables = {}, room }) {
  const { texts, store } = kept(file);
  let release;
  const released = hold ? new Promise((resolve) => (release = resolve)) : null;
  const resync = async (reason) => {
    const { viewer } = await once(client, STATE);
    const fetched = viewer.chats.nodes.flatMap((chat) => chat.messages.nodes.map(({ text }) => text));
    texts.splice(0, texts.length, ...fetched);
    tell({ event: { resync: reason, texts } });
    return viewer.cursor;
  };
  const apply = async (event) => {
    if (released) await released;
    if (failOn !== undefined && event.message?.text === failOn && !failed.has(failOn)) {
      failed.add(failOn);
      throw new Error(`Could not apply ${failOn}`);
    }
  };
  const end = (error) => tell({ event: { ended: error && { name: error.name, message: error.message } } });
  // That the program itself signs in, in the course of a test, is of no interest there.
  const applied = (event) => event.__typename.startsWith('Session') || tell({ event });

  if (flavour === 'graphql-ws') {
    const resumption = resume(client, {
      query: EVENTS,
      variables,
      store,
      resync,
      room,
      apply: async (event) => {
        await apply(event);
        applied(event);
      },
    });
    let stopped = false; // then it ends because the test said so, and nobody is told
    resumption.done.then(() => stopped || end(null), end);
    following = {
      release,
      stop: () => {
        stopped = true;
        return resumption.stop();
      },
    };
    return;
  }
  const apollo = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.from([
      new ResumeLink(client, { store: () => store, resync, apply, room }),
      new GraphQLWsLink(client),
    ]),
  });
  const subscription = apollo.subscribe({ query: gql(EVENTS), variables }).subscribe({
    next: ({ data, error }) => (error ? end(error) : applied(data.events)),
    error: end,
  });
  following = { stop: () => subscription.unsubscribe(), release };
}

serve({
  ...actions,
  register: signIn('register'),
  logIn: signIn('logIn'),
  follow,
  release: () => following.release(),
  stop: () => following.stop(),
  terminate: () => client.terminate(),
  forget: (command) => {
    ({ unreachable = false, signedOut = false } = command);
    return execute('mutation { logOut { errors { code } } }');
  },
  pid: () => process.pid,
});
