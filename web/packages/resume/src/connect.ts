/** A socket that comes back by itself, with a fresh token where the last one was refused. */
import { createClient, type Client, type ClientOptions } from 'graphql-ws';
import { errorOf, passes, SignedOut } from './errors.js';

const SILENCE = 60_000; // milliseconds; the server pings every 25 s, so two pings are missing
const LONGEST_WAIT = 30_000; // milliseconds
const KEEP_OPEN = 3_000; // milliseconds; a subscription that pauses finds its socket open
const FORBIDDEN = 4403; // the close code that says: come back with another token

export interface ConnectOptions
  extends Omit<ClientOptions, 'connectionParams' | 'lazy' | 'shouldRetry' | 'retryAttempts'> {
  /**
   * The access token of the moment; asked for before every connection. `refused` says that the server
   * closed the last socket because of its token: fetch another one. Null says that nobody is signed
   * in any more, which ends all subscriptions with `SignedOut`. Who throws is asked again later.
   */
  accessToken(refused: boolean): string | null | Promise<string | null>;
  /** Milliseconds without a word from the server after which the connection is taken for dead. */
  silence?: number;
}

/** A graphql-ws client for Hubbub. It connects when it is first used, and again until it is disposed. */
export function connect({ accessToken, silence = SILENCE, ...options }: ConnectOptions): Client {
  let refused = false;
  let silent: ReturnType<typeof setTimeout> | undefined;

  const client = createClient({
    retryWait: backOff,
    lazyCloseTimeout: KEEP_OPEN,
    ...options,
    // By default it gives up after five attempts, and at once when a connection is refused, which is
    // what a server that restarts does. Codes that tell of a bug of ours it never retries.
    retryAttempts: Infinity,
    shouldRetry: (cause) => !(cause instanceof SignedOut),
    connectionParams: async () => {
      let token: string | null;
      try {
        token = await accessToken(refused);
      } catch {
        // Throwing here closes the socket with 4500, which ends everything: this is tried again.
        client.terminate();
        return {};
      }
      if (token === null) throw new SignedOut();
      refused = false;
      return { authorization: `Bearer ${token}` };
    },
  });

  const heard = () => {
    clearTimeout(silent);
    silent = setTimeout(() => client.terminate(), silence);
  };
  client.on('opened', heard);
  client.on('message', heard);
  client.on('closed', (event) => {
    clearTimeout(silent);
    refused ||= (event as { code?: number }).code === FORBIDDEN;
  });
  return client;
}

/** Wait before the next attempt: a second, doubling up to half a minute, and by chance. */
export async function backOff(failures: number): Promise<void> {
  const wait = Math.min(1000 * 2 ** failures, LONGEST_WAIT);
  // Everybody was cut off at the same moment; they should not return at one.
  await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random() / 2)));
}

/**
 * The data of one query over the socket; good for `resync`, because it waits for a server that is away,
 * and asks again where the server could not answer for the moment. Not for mutations: one whose answer
 * was lost would be done again.
 */
export async function once<Data = Record<string, unknown>>(
  client: Client,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Data> {
  for (let failures = 0; ; failures++) {
    try {
      return await answer<Data>(client, query, variables);
    } catch (error) {
      if (!passes(error)) throw error;
      await backOff(failures);
    }
  }
}

function answer<Data>(
  client: Client,
  query: string,
  variables: Record<string, unknown>,
): Promise<Data> {
  return new Promise((resolve, reject) => {
    client.subscribe<Data>(
      { query, variables },
      {
        next: ({ data, errors }) => (data && !errors ? resolve(data) : reject(errorOf(errors ?? []))),
        error: (reported) => reject(errorOf(reported)),
        complete: () => reject(new Error('The query completed without an answer.')),
      },
    );
  });
}
