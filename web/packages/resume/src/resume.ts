/** Apply every event once and in order, and remember how far that went. */
import type { Client } from 'graphql-ws';
import { backOff } from './connect.js';
import { ResumeError } from './errors.js';
import { Inbox, type Result, type Subscription } from './inbox.js';
import { memory, type CursorStore } from './stores.js';

const ROOM = 1000; // events; a second or so of catching up, a megabyte or so

/** What every subscription has to select of an event. */
export interface Identified {
  __typename: string;
  cursor: string;
}

/**
 * Why the state has to be fetched: nothing is known yet; the log does not reach back to the cursor; the
 * database is another one; or the server does not know the cursor.
 */
export type ResyncReason = 'START' | 'EXPIRED' | 'LOG_REPLACED' | 'INVALID_CURSOR';

export interface ResumeOptions<E extends Identified> extends Subscription {
  /** Where the cursor is kept; in memory if absent. */
  store?: CursorStore<E>;
  /**
   * Apply an event. The next one waits until this is done. If it throws, the event is not applied: its
   * cursor is not kept, and `done` rejects. `result.errors` has what could not be shown of the event.
   */
  apply(event: E, result: Result): unknown;
  /**
   * Fetch the state afresh, together with `viewer { cursor }`, put it in place of what was there, and
   * return that cursor. Called before the first event unless a cursor is known.
   */
  resync(reason: ResyncReason): string | Promise<string>;
  /** How many events may wait to be applied before the server is asked to pause. */
  room?: number;
}

export interface Resumption {
  /** Apply nothing more; returns when what is under way has been applied and kept. */
  stop(): Promise<void>;
  /**
   * Resolves when stopped, or when the client was disposed; rejects with what ended it otherwise: what
   * `apply`, `resync` or the store threw, a `ResumeError`, or `SignedOut`. Calling `resume` again with
   * the same store goes on where it ended.
   */
  readonly done: Promise<void>;
}

/**
 * Subscribe, and stay subscribed. Starts at `variables.after` if it is given, else at the cursor in the
 * store, else at the one that `resync` returns.
 */
export function resume<E extends Identified>(client: Client, options: ResumeOptions<E>): Resumption {
  if (!/\$after\b/.test(options.query)) {
    throw new TypeError('The subscription has to take a variable: events(after: $after).');
  }
  const store: CursorStore<E> = options.store ?? memory();
  let inbox: Inbox | undefined;
  let stopped = false;

  let inVain = 0; // how often the state was fetched without an event since

  async function run(): Promise<void> {
    const given = options.variables?.after as string | null | undefined;
    let cursor = given || (await store.load());
    let reason: ResyncReason | undefined = 'START';
    while (reason && !stopped) {
      if (!cursor) {
        if (inVain++ > 0) await backOff(inVain);
        if (stopped) return;
        cursor = await options.resync(reason);
        await store.save(cursor, undefined);
        if (stopped) return;
      }
      reason = await follow(cursor);
      cursor = undefined;
    }
  }

  /** Apply what comes after a cursor; returns why the state has to be fetched, or when all is over. */
  async function follow(cursor: string): Promise<ResyncReason | undefined> {
    inbox = new Inbox(client, options, cursor, options.room ?? ROOM);
    try {
      for (let arrival; !stopped && (arrival = await inbox.next()); inVain = 0) {
        const event = arrival.event as E & { reason?: ResyncReason };
        if (event.__typename === 'ResyncRequired') return event.reason ?? 'EXPIRED';
        if (event.__typename !== 'CursorAdvanced') await options.apply(event, arrival.result);
        await store.save(event.cursor, event);
      }
      return undefined;
    } catch (error) {
      // A fresh cursor that is refused is no matter of age: fetching another one would not help.
      if (isInvalidCursor(error) && inVain === 0) return 'INVALID_CURSOR';
      throw error;
    } finally {
      inbox.close();
    }
  }

  const done = run();
  return {
    done,
    stop: () => {
      stopped = true;
      inbox?.close();
      return done;
    },
  };
}

function isInvalidCursor(error: unknown): boolean {
  return error instanceof ResumeError && error.code === 'INVALID_CURSOR';
}
