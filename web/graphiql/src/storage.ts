/** Where GraphiQL keeps its tabs and settings. */

const PREFIX = 'graphiql:';

/**
 * Reads this browser tab's own copy first, and writes to both: a reload finds what was open here,
 * even while another tab, as another person, edits its own; a new tab starts with what was open last.
 */
export const storage = {
  getItem: (key: string): string | null => sessionStorage.getItem(key) ?? localStorage.getItem(key),

  setItem: (key: string, value: string): void => {
    sessionStorage.setItem(key, value);
    localStorage.setItem(key, value);
  },

  removeItem: (key: string): void => {
    sessionStorage.removeItem(key);
    localStorage.removeItem(key);
  },

  get length(): number {
    return keysOf(localStorage).length;
  },

  // Only what GraphiQL wrote: clearing its data should sign nobody out.
  clear: (): void => {
    for (const area of [sessionStorage, localStorage]) {
      for (const key of keysOf(area)) area.removeItem(key);
    }
  },
};

function keysOf(area: Storage): string[] {
  return Object.keys(area).filter((key) => key.startsWith(PREFIX));
}
