/** The link that lets Apollo Client's subscriptions resume. */
import { ApolloLink } from '@apollo/client';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { print } from '@apollo/client/utilities';
import type { Client } from 'graphql-ws';
import { Observable } from 'rxjs';
import { ResumeError } from './errors.js';
import { resume, type Identified, type ResumeOptions, type ResyncReason } from './resume.js';
import type { CursorStore } from './stores.js';

export interface ResumeLinkOptions {
  /**
   * Fetch the state afresh, `viewer { cursor }` first or together with it, and return that cursor.
   * Called before the first event of a subscription unless its cursor is known.
   */
  resync(reason: ResyncReason, operation: ApolloLink.Operation): string | Promise<string>;
  /** Where a subscription's cursor is kept; in memory, for as long as it lives, if absent. */
  store?(operation: ApolloLink.Operation): CursorStore<Identified>;
  /**
   * Called with an event before the subscription's observers are, who cannot be waited for. If it throws,
   * they are not told, the cursor is not kept, and the subscription ends with the error.
   */
  apply?(event: Identified, operation: ApolloLink.Operation): unknown;
  /** How many events may wait before the server is asked to pause. */
  room?: number;
}

/**
 * Subscriptions with a variable `$after` resume; all other operations go on to the next link.
 *
 *     ApolloLink.from([new ResumeLink(client, { resync }), new GraphQLWsLink(client)])
 */
export class ResumeLink extends ApolloLink {
  constructor(
    private readonly client: Client,
    private readonly options: ResumeLinkOptions,
  ) {
    super();
  }

  override request(
    operation: ApolloLink.Operation,
    forward: ApolloLink.ForwardFunction,
  ): Observable<ApolloLink.Result> {
    if (!takesAfter(operation)) return forward(operation);
    const { resync, store, apply, room } = this.options;
    return new Observable((observer) => {
      const options: ResumeOptions<Identified> = {
        query: print(operation.query),
        variables: operation.variables,
        operationName: operation.operationName,
        extensions: operation.extensions,
        resync: (reason) => resync(reason, operation),
        apply: async (event, result) => {
          await apply?.(event, operation);
          if (observer.closed) throw new Unsubscribed();
          observer.next(result as ApolloLink.Result);
        },
        ...(store && { store: store(operation) }),
        ...(room && { room }),
      };
      const resumption = resume(this.client, options);
      resumption.done.then(
        () => observer.complete(),
        (error: unknown) => observer.error(asApollos(error)), // without effect once unsubscribed
      );
      return () => void resumption.stop().catch(() => {});
    });
  }
}

/** Nobody listens any more: the event was not told, so its cursor must not be kept. */
class Unsubscribed extends Error {}

function takesAfter({ operationType, query }: ApolloLink.Operation): boolean {
  return (
    operationType === 'subscription' &&
    query.definitions.some(
      (definition) =>
        definition.kind === 'OperationDefinition' &&
        definition.variableDefinitions?.some(({ variable }) => variable.name.value === 'after'),
    )
  );
}

/** What the rest of the application expects of a link: refusals as Apollo's own error. */
function asApollos(error: unknown): unknown {
  if (!(error instanceof ResumeError) || !Array.isArray(error.cause)) return error;
  return new CombinedGraphQLErrors({ errors: error.cause });
}
