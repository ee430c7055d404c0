/**
 * What arrives after a cursor, once and in order, whatever happens to the socket.
 *
 *     LIVE      a subscription runs; what it brings waits in the queue to be taken
 *     LOST      its socket is gone, and nothing that still comes from there counts; graphql-ws connects
 *               again → LIVE, or gives up → ENDED
 *     PAUSED    too much waits: the subscription was completed; half of it taken → LIVE
 *     WAITING   the server could not go on for the moment; after a while → LIVE
 *     ENDED     what waits may still be taken, then the end is told
 *
 * Every change to LIVE subscribes under a new id, from the cursor of the last event *queued*: what waits
 * in the queue survives the loss of a socket and is not asked for twice. graphql-ws by itself would
 * resend the original variables, under the same id, to which a dying socket can still deliver.
 */
import type { Client, FormattedExecutionResult } from 'graphql-ws';
import { backOff } from './connect.js';
import { errorOf, passes } from './errors.js';

/** A subscription to `events`: it selects `__typename` and `cursor`, and takes `$after`. */
export interface Subscription {
  query: string;
  variables?: Record<string, unknown> | undefined;
  operationName?: string | undefined;
  extensions?: Record<string, unknown> | undefined;
}

/** The whole result that brought an event: `errors` has what could not be shown of it. */
export type Result = FormattedExecutionResult<Record<string, unknown>, unknown>;

/** An event as it arrived. */
export interface Arrival {
  event: { __typename: string; cursor: string };
  result: Result;
}

type State = 'LIVE' | 'LOST' | 'PAUSED' | 'WAITING' | 'ENDED';

export class Inbox {
  #state: State = 'ENDED';
  #arrived: Arrival[] = [];
  #taken = 0; // how many at the front of `#arrived` are done with; cheaper than shifting each
  #failure: Error | undefined;
  #failures = 0;
  #unsubscribe: (() => void) | undefined;
  #wake: (() => void) | undefined;
  readonly #unlisten: (() => void)[];

  constructor(
    private readonly client: Client,
    private readonly subscription: Subscription,
    private after: string,
    private readonly room: number,
  ) {
    const lose = () => {
      if (this.#state === 'LIVE') this.#state = 'LOST';
    };
    this.#unlisten = [
      client.on('closed', lose),
      client.on('error', lose),
      client.on('connected', () => {
        if (this.#state === 'LOST') this.#subscribe();
      }),
    ];
    this.#subscribe();
  }

  /** The next event, or undefined when there will be none; throws when the subscription failed. */
  async next(): Promise<Arrival | undefined> {
    while (this.#waiting === 0) {
      if (this.#failure) throw this.#failure;
      if (this.#state === 'ENDED') return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const arrival = this.#arrived[this.#taken++];
    if (this.#taken === this.#arrived.length || this.#taken > this.room) {
      this.#arrived.splice(0, this.#taken);
      this.#taken = 0;
    }
    if (this.#state === 'PAUSED' && this.#waiting <= this.room / 2) this.#subscribe();
    return arrival;
  }

  /** Want nothing more; what waits is dropped. */
  close(): void {
    this.#arrived = [];
    this.#taken = 0;
    this.#end();
  }

  get #waiting(): number {
    return this.#arrived.length - this.#taken;
  }

  #subscribe(): void {
    this.#state = 'LIVE';
    const before = this.#unsubscribe;
    const { query, variables, operationName, extensions } = this.subscription;
    let current = true;
    const unsubscribe = this.client.subscribe(
      {
        query,
        variables: { ...variables, after: this.after },
        operationName,
        extensions,
      },
      {
        next: (result) => {
          if (current && this.#state === 'LIVE') this.#arrive(result as Result);
        },
        error: (reported) => {
          if (current) this.#fail(errorOf(reported));
        },
        complete: () => {
          if (current) this.#end();
        },
      },
    );
    this.#unsubscribe = () => {
      current = false;
      unsubscribe();
    };
    before?.(); // after the new one, so that the socket is not closed for want of subscriptions
  }

  #arrive(result: Result): void {
    const event = result.data && Object.values(result.data)[0];
    if (!isEvent(event)) {
      const told = result.errors?.length ? errorOf(result.errors) : undefined;
      this.#fail(told ?? new TypeError('The subscription has to select __typename and cursor.'));
      return;
    }
    this.#failures = 0;
    this.after = event.cursor;
    this.#arrived.push({ event, result });
    // A socket cannot be told to wait, but a subscription that resumes can be given up for a while.
    if (this.#waiting >= this.room) this.#rest('PAUSED');
    this.#wake?.();
  }

  #fail(failure: Error): void {
    if (passes(failure)) {
      this.#rest('WAITING');
      void backOff(this.#failures++).then(() => {
        if (this.#state === 'WAITING') this.#subscribe();
      });
      return;
    }
    this.#failure = failure;
    this.#end();
  }

  #end(): void {
    for (const unlisten of this.#unlisten) unlisten();
    this.#rest('ENDED');
    this.#wake?.();
  }

  #rest(state: 'PAUSED' | 'WAITING' | 'ENDED'): void {
    this.#state = state;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }
}

function isEvent(value: unknown): value is Arrival['event'] {
  const event = value as Partial<Arrival['event']> | null | undefined;
  return typeof event?.__typename === 'string' && typeof event.cursor === 'string';
}
