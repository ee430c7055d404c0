/** GraphQL over HTTP POST, with failures told in sentences a person can read. */

export interface GraphQLFailure {
  message: string;
  extensions?: { code?: string } & Record<string, unknown>;
}

export interface GraphQLResult<Data = unknown> {
  data?: Data | null;
  errors?: readonly GraphQLFailure[];
}

/** No GraphQL answer came back: the network, a proxy or a dying server. Trying again may help. */
export class Unreachable extends Error {}

/** Posts one operation and returns the server's result, errors included; throws `Unreachable`. */
export async function post<Data>(
  endpoint: string,
  operation: { query: string; variables?: unknown; operationName?: string | null },
  headers: HeadersInit = {},
): Promise<GraphQLResult<Data>> {
  const all = new Headers(headers);
  if (!all.has('content-type')) all.set('content-type', 'application/json');
  if (!all.has('accept')) {
    all.set('accept', 'application/graphql-response+json, application/json;q=0.9');
  }
  let response: Response;
  try {
    response = await fetch(endpoint, {
      method: 'POST',
      headers: all,
      body: JSON.stringify(operation),
      // Who is asking is said by the bearer token alone.
      credentials: 'omit',
    });
  } catch {
    throw new Unreachable('The server cannot be reached.');
  }
  try {
    return (await response.json()) as GraphQLResult<Data>;
  } catch {
    // A proxy's error page, most likely; its markup would tell nobody more than its status does.
    throw new Unreachable(`The server did not answer with GraphQL (HTTP status ${response.status}).`);
  }
}

/** The `extensions.code` of the first error, or undefined. */
export function codeOf(errors: readonly GraphQLFailure[] | undefined): string | undefined {
  return errors?.[0]?.extensions?.code;
}

/** Whether the server refused the whole operation because it does not accept who is asking. */
export function isUnauthenticated(result: GraphQLResult): boolean {
  if (!result.errors?.some((error) => error.extensions?.code === 'UNAUTHENTICATED')) return false;
  // With any data at all, part of the operation ran, and repeating it could do that part twice.
  return Object.values(result.data ?? {}).every((field) => field === null);
}
