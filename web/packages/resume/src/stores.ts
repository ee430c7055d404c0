/** Where the cursor is kept between events, and between one start of the application and the next. */

/**
 * Keeps the cursor of the last event that the application has applied.
 *
 * `save` is called after `apply` has applied the event, and before the next event is applied. Who keeps
 * the state that events change in a database writes the event and the cursor in one transaction here:
 * then not even a crash between the two loses an event or applies one twice.
 */
export interface CursorStore<E> {
  /** The cursor to go on from; none, or an empty one, when there is nothing to go on from. */
  load(): Cursor | Promise<Cursor>;
  /** Keep this cursor. `event` is undefined when `resync` fetched the state that goes with it. */
  save(cursor: string, event: E | undefined): unknown;
}

type Cursor = string | null | undefined;

/** Keeps the cursor for as long as the page or the process lives: for state that is in memory only. */
export function memory(): CursorStore<unknown> {
  let kept: string | undefined;
  return {
    load: () => kept,
    save: (cursor) => {
      kept = cursor;
    },
  };
}

/** Keeps the cursor under a key of `localStorage`, or of another `Storage`. */
export function webStorage(
  key: string,
  storage: Pick<Storage, 'getItem' | 'setItem'> = localStorage,
): CursorStore<unknown> {
  return {
    load: () => storage.getItem(key),
    save: (cursor) => storage.setItem(key, cursor),
  };
}
