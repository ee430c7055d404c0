/** How GraphiQL's operations reach the server, over HTTP and over the socket. */
import type { GraphiQLProps } from 'graphiql';
import { type DocumentNode, getOperationAST, Kind, parse } from 'graphql';
import { isUnauthenticated, post, Unreachable, type GraphQLResult } from './http';
import type { Session } from './session';
import { type Live, type Sink, subscribe } from './socket';
import { withMessageIds } from './uuid';

type Fetcher = GraphiQLProps['fetcher'];
type Params = Parameters<Fetcher>[0];
type Observable = { subscribe(sink: Sink): { unsubscribe(): void } };

/** GraphiQL's fetcher for the endpoint, in the name of the session. */
export function createFetcher(endpoint: string, socket: string, session: Session, live: Live): Fetcher {
  const overHttp = async (params: Params, headers: Headers): Promise<GraphQLResult> => {
    // A person who writes an authorization header means it, even while signed in.
    if (headers.has('authorization')) return post(endpoint, params, headers);
    const token = await session.token();
    const result = await post(endpoint, params, withToken(headers, token));
    if (token === null || !isUnauthenticated(result) || !(await session.replace(token))) return result;
    return post(endpoint, params, withToken(headers, await session.token()));
  };

  const overSocket = (params: Params, headers: Headers): Observable => ({
    subscribe: (sink) => {
      const { query, variables, operationName } = params;
      const authorization = headers.get('authorization') ?? undefined;
      const payload = { query, variables, operationName: operationName ?? null };
      return { unsubscribe: subscribe(socket, session, live, payload, sink, authorization) };
    },
  });

  const fetcher = async (given: Params, options?: { headers?: Record<string, unknown> }) => {
    const params = settled({ ...given, variables: withMessageIds(given.variables) });
    const headers = new Headers();
    for (const [name, value] of Object.entries(options?.headers ?? {})) headers.set(name, String(value));
    if (isSubscription(params)) return overSocket(params, headers);
    try {
      return await overHttp(params, headers);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      return { errors: [{ message: error.message }] };
    }
  };
  // GraphiQL types results with the errors of its own copy of graphql-js, which carry methods that
  // nothing parsed from JSON has; it only ever prints them.
  return fetcher as Fetcher;
}

function withToken(headers: Headers, token: string | null): Headers {
  const all = new Headers(headers);
  if (token !== null) all.set('authorization', `Bearer ${token}`);
  return all;
}

/**
 * The operation with the name that its document has. GraphiQL reads the name out of the editor with a
 * delay: run right after changing tabs, it would send the last tab's name with this tab's document.
 */
function settled(params: Params): Params {
  const only = getOperationAST(parsed(params.query));
  return only ? { ...params, operationName: only.name?.value ?? null } : params;
}

function isSubscription({ query, operationName }: Params): boolean {
  return getOperationAST(parsed(query), operationName)?.operation === 'subscription';
}

const NOTHING: DocumentNode = { kind: Kind.DOCUMENT, definitions: [] };

/** The document, or an empty one where it does not parse: to say why is left to the server. */
function parsed(query: string): DocumentNode {
  try {
    return parse(query);
  } catch {
    return NOTHING;
  }
}
