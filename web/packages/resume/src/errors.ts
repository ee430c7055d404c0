/** What a subscription ends with when it cannot go on. */

/** The server refused the subscription, or the socket is closed for good. */
export class ResumeError extends Error {
  override readonly name: string = 'ResumeError';

  constructor(
    message: string,
    /** The server's error code (`extensions.code`), or the number with which the socket was closed. */
    readonly code: string | number | undefined,
    /** What graphql-ws reported: a list of GraphQL errors, a close event, or what was thrown. */
    override readonly cause: unknown,
  ) {
    super(message, { cause });
  }
}

/** `accessToken` said that nobody is signed in any more. */
export class SignedOut extends Error {
  override readonly name = 'SignedOut';

  constructor() {
    super('Nobody is signed in any more.');
  }
}

/** Codes of refusals that the same operation would meet again; `docs/PROTOCOL.md` has them all. */
const FINAL = new Set([
  'BAD_REQUEST',
  'FORBIDDEN',
  'GRAPHQL_PARSE_FAILED',
  'INVALID_CURSOR',
  'INVALID_ID',
  'INVALID_INPUT',
  'NOT_FOUND',
  'TOO_LONG',
  'UNAUTHENTICATED',
]);

/** Whether the server may have another answer later: all that it says but what is known to be final. */
export function passes(failure: unknown): boolean {
  if (!(failure instanceof ResumeError) || !Array.isArray(failure.cause)) return false;
  return !FINAL.has(String(failure.code));
}

/** The one error that something reported by graphql-ws amounts to. */
export function errorOf(reported: unknown): Error {
  if (Array.isArray(reported)) {
    const messages = reported.map((each: { message?: string }) => each.message);
    return new ResumeError(messages.join(' '), codeOf(reported[0]), reported);
  }
  if (reported instanceof Error) return reported;
  const closed = reported as { code?: number; reason?: string; message?: string } | null;
  const code = closed?.code;
  const why = closed?.reason || closed?.message || 'no reason given';
  return new ResumeError(`The socket was closed${code ? ` with ${code}` : ''}: ${why}.`, code, reported);
}

function codeOf(error: unknown): string | undefined {
  const { extensions } = (error ?? {}) as { extensions?: { code?: unknown } };
  return typeof extensions?.code === 'string' ? extensions.code : undefined;
}
