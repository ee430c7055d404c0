/** Subscriptions over WebSocket (graphql-transport-ws) in the name of whoever is signed in. */
import { createClient, type SubscribePayload } from 'graphql-ws';
import type { GraphQLFailure, GraphQLResult } from './http';
import type { Session } from './session';

/** Close codes that ask the client to come back, even where it has never been connected before. */
const CLOSE = {
  restarting: 1012, // the server's, "Service Restart" in the WebSocket registry
  busy: 1013, // the server's, "Try Again Later"
  forbidden: 4403, // the server's: the token expired or is refused, so with another one
  terminated: 4499, // our own, by `terminate()`
} as const;

const ACK_WITHIN_MS = 10_000;
// With waits of at most ten seconds this outlasts a server's restart or a short loss of network.
const RETRIES = 20;
const LONGEST_WAIT_MS = 10_000;
const REFUSALS = 3;
// A socket that stayed open this long had been accepted: its token was refused for its age.
const ACCEPTED_AFTER_MS = 10_000;

export type LiveStatus = 'idle' | 'connecting' | 'open' | 'reconnecting';

/** What GraphiQL listens with. */
export interface Sink {
  next(result: GraphQLResult): void;
  complete(): void;
}

/** The state of the page's subscription, for the bar; observed like `Session`. */
export class Live {
  readonly #observers = new Set<() => void>();
  #status: LiveStatus = 'idle';

  get status(): LiveStatus {
    return this.#status;
  }

  set status(status: LiveStatus) {
    this.#status = status;
    for (const observer of this.#observers) observer();
  }

  observe(observer: () => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }
}

/**
 * Starts one subscription on a socket of its own and returns how to stop it.
 *
 * `authorization` is what the person wrote in GraphiQL's header editor; it takes the place of the
 * session, as it does over HTTP.
 */
export function subscribe(
  url: string,
  session: Session,
  live: Live,
  payload: SubscribePayload,
  sink: Sink,
  authorization?: string,
): () => void {
  let stopped = false;
  let connectedAt: number | null = null;
  let token: string | null = null;
  let stale = false; // the last close was for the token
  let refusals = 0; // how many such closes in a row, with nothing accepted in between
  let replaced = false; // the subscription itself was refused before, on a socket that was not
  let dispose = (): void => {};

  const show = (status: LiveStatus): void => {
    if (!stopped) live.status = status;
  };

  const client = createClient({
    // Tokens are fetched here, before the socket opens: the server waits only so long for the first
    // message of an open one.
    url: async () => {
      if (stale && token !== null) await session.replace(token);
      token = await session.token();
      return url;
    },
    connectionParams: () => {
      const value = authorization ?? (token === null ? null : `Bearer ${token}`);
      return value === null ? {} : { authorization: value };
    },
    connectionAckWaitTimeout: ACK_WITHIN_MS,
    retryAttempts: RETRIES,
    retryWait: async (retries) => {
      // For another token there is nothing to wait; for the next one after it, there is.
      if (stale && refusals === 1) return;
      const wait = Math.min(500 * 2 ** (stale ? refusals : retries), LONGEST_WAIT_MS);
      // All clients lose a restarting server at the same moment; they should not return at one.
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random() / 2)));
    },
    shouldRetry: (cause) => {
      if (isClose(cause)) {
        if (cause.code === CLOSE.forbidden) {
          // A server that keeps refusing new tokens will not change its mind.
          return refusals <= REFUSALS && authorization === undefined && session.state.person !== null;
        }
        if (Object.values<number>(CLOSE).includes(cause.code)) return true;
      } else if (cause instanceof Error) {
        return false; // a mistake in the conversation, which would be made again
      }
      // The network, or no server. What never worked is more likely misconfigured than restarting,
      // and that should be said rather than tried for minutes.
      return connectedAt !== null;
    },
    on: {
      connecting: (isRetry) => show(isRetry ? 'reconnecting' : 'connecting'),
      connected: () => {
        connectedAt = Date.now();
        show('open');
      },
      closed: (event) => {
        show('reconnecting');
        stale = isClose(event) && event.code === CLOSE.forbidden;
        if (connectedAt !== null && Date.now() - connectedAt > ACCEPTED_AFTER_MS) refusals = 0;
        if (stale) refusals += 1;
      },
    },
  });

  // Another person, or nobody, must not go on listening in the first one's name. Terminated, the
  // client connects again, which asks for the token anew.
  let person = session.state.person?.id;
  const unobserve = session.observe(() => {
    if (session.state.person?.id === person) return;
    person = session.state.person?.id;
    if (authorization === undefined) client.terminate();
  });

  const finish = (errors?: readonly GraphQLFailure[]): void => {
    if (stopped) return;
    live.status = 'idle';
    stopped = true;
    unobserve();
    // As a result, not as an exception: GraphiQL prints those with their stack.
    if (errors) sink.next({ errors });
    sink.complete();
  };

  const start = (): void => {
    dispose = client.subscribe<Record<string, unknown>>(payload, {
      next: (result) => sink.next(result as GraphQLResult),
      complete: () => finish(),
      error: (cause) => void fail(cause),
    });
  };

  const fail = async (cause: unknown): Promise<void> => {
    if (!isFailures(cause)) return finish([{ message: sentenceOf(cause) }]);
    const unauthenticated = cause.some((error) => error.extensions?.code === 'UNAUTHENTICATED');
    const mayReplace = unauthenticated && !replaced && authorization === undefined && token !== null;
    replaced = true;
    if (mayReplace && token !== null && (await session.replace(token)) && !stopped) return start();
    finish(cause);
  };

  start();
  return () => {
    dispose();
    finish();
  };
}

function isClose(value: unknown): value is { code: number; reason: string } {
  return typeof value === 'object' && value !== null && 'code' in value && 'reason' in value;
}

function isFailures(value: unknown): value is readonly GraphQLFailure[] {
  return Array.isArray(value);
}

function sentenceOf(cause: unknown): string {
  if (isClose(cause)) {
    const reason = cause.reason ? `: ${cause.reason}` : '.';
    return `The server closed the socket with code ${cause.code}${reason}`;
  }
  // A browser tells scripts nothing of why a socket failed; its console may say more.
  return cause instanceof Error ? cause.message : 'The socket could not be opened.';
}
