/** What the client programs can be told to do, whichever GraphQL client does it. */
import { randomUUID } from 'node:crypto';
import { Refused, tell } from './lines.mjs';

const AUTH_FIELDS = /* GraphQL */ `
  session { id user { id handle displayName } }
  accessToken
  refreshToken
  expiresIn
  errors { message code path }
`;

const REGISTER = /* GraphQL */ `
  mutation Register($input: RegisterInput!) { register(input: $input) { ${AUTH_FIELDS} } }
`;

const LOG_IN = /* GraphQL */ `
  mutation LogIn($input: LogInInput!) { logIn(input: $input) { ${AUTH_FIELDS} } }
`;

const USER = /* GraphQL */ `
  query UserByHandle($handle: String!) { user(handle: $handle) { id } }
`;

const CREATE_CHAT = /* GraphQL */ `
  mutation CreateChat($input: CreateChatInput!) {
    createChat(input: $input) {
      chat { id kind title }
      errors { message code path }
    }
  }
`;

const SEND = /* GraphQL */ `
  mutation SendMessage($input: SendMessageInput!) {
    sendMessage(input: $input) {
      message { id seq text clientMessageId }
      errors { message code path }
    }
  }
`;

const EVENTS = /* GraphQL */ `
  subscription Events($chatIds: [ID!]) {
    events(chatIds: $chatIds) {
      __typename
      occurredAt
      seq
      chat { id title }
      ... on MessageSent {
        message { id seq text clientMessageId sender { id handle displayName } }
      }
    }
  }
`;

/** The server's endpoint over HTTP and over WebSocket, from `HUBBUB_URL`. */
export function endpoints() {
  const base = process.env.HUBBUB_URL;
  if (!base) throw new Error('HUBBUB_URL must name the server, as in http://127.0.0.1:8000');
  const http = `${base.replace(/\/$/, '')}/graphql`;
  return { http, socket: http.replace(/^http/, 'ws') };
}

/**
 * The commands, carried out by a client:
 *
 * - `signedIn(accessToken)` uses the token from now on, for sockets too;
 * - `execute(query, variables)` runs a query or mutation and returns its data, or throws `Refused`;
 * - `subscribe(query, variables, sink)` returns when the subscription has been sent, or throws
 *   `Refused`; it calls `sink.next(data)` for each result and, at the end, `sink.end(refused or null)`;
 * - `close()` closes the socket.
 */
export function journey(client) {
  const signIn = async (query, input) => {
    const data = await client.execute(query, { input });
    const auth = granted(Object.values(data)[0]);
    client.signedIn(auth.accessToken);
    const { session, accessToken, refreshToken, expiresIn } = auth;
    return { sessionId: session.id, userId: session.user.id, accessToken, refreshToken, expiresIn };
  };

  return {
    register: ({ handle, password, displayName }) =>
      signIn(REGISTER, { handle, password, displayName, deviceName: 'tests' }),

    logIn: ({ handle, password }) => signIn(LOG_IN, { handle, password, deviceName: 'tests' }),

    /** Answers with the id of the user, or null where nobody has the handle. */
    user: async ({ handle }) => (await client.execute(USER, { handle })).user?.id ?? null,

    createChat: async ({ kind, title, memberIds }) =>
      granted((await client.execute(CREATE_CHAT, { input: { kind, title, memberIds } })).createChat).chat,

    /** A given `clientMessageId` sends again what was sent under it before. */
    send: async ({ chatId, text, clientMessageId = randomUUID() }) =>
      granted((await client.execute(SEND, { input: { chatId, text, clientMessageId } })).sendMessage).message,

    /**
     * Listens to `events` (`variables` may name `chatIds`), or to the `query` given, and tells each
     * event under the command's id.
     *
     * The answer means that the server acknowledged the socket and that the subscription was sent on
     * it, no more: graphql-transport-ws has no acknowledgement of a subscription. What another
     * connection does right after the answer may still come before the server listens.
     */
    subscribe: async ({ id, query = EVENTS, variables = {} }) => {
      let ended = false;
      await client.subscribe(query, variables, {
        next: (data) => tell({ event: Object.values(data)[0], subscription: id }),
        end: (refused) => {
          // Clients that report an error as a result go on to report that they completed.
          if (!ended) tell({ ended: { subscription: id, error: refused && plain(refused) } });
          ended = true;
        },
      });
    },

    /** Any query or mutation; answers with its data. */
    query: ({ query, variables = {} }) => client.execute(query, variables),

    close: () => client.close(),
  };
}

/** The refusal that a list of top-level GraphQL errors amounts to. */
export function refusedBy(errors) {
  return new Refused(errors.map((error) => error.message).join(' '), errors[0]?.extensions?.code);
}

/** A mutation's payload, if it carries no errors. */
function granted(payload) {
  const [error] = payload.errors;
  if (error) throw new Refused(error.message, error.code);
  return payload;
}

function plain({ message, code }) {
  return { message, code };
}
