/** Let one browser tab own a session: a duplicated tab learns that its copy belongs to another. */

type Message = { ask: string } | { owned: string };

// Without a channel (very old browsers) no tab ever learns of another, which is how it was before.
const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('hubbub:session');

// A live tab answers within a few milliseconds; this is what a reload waits when there is none.
const ANSWER_WITHIN_MS = 150;

/** Answers other tabs' questions about `owned()`, the id of this tab's session, from now on. */
export function answerAsOwner(owned: () => string | undefined): void {
  channel?.addEventListener('message', ({ data }: MessageEvent<Message>) => {
    if ('ask' in data && data.ask === owned()) channel.postMessage({ owned: data.ask });
  });
}

/** Whether another tab owns the session. */
export function askForOwner(sessionId: string): Promise<boolean> {
  return new Promise((resolve) => {
    if (channel === null) return resolve(false);
    const listen = ({ data }: MessageEvent<Message>): void => {
      if ('owned' in data && data.owned === sessionId) finish(true);
    };
    const finish = (owned: boolean): void => {
      clearTimeout(timer);
      channel.removeEventListener('message', listen);
      resolve(owned);
    };
    const timer = setTimeout(() => finish(false), ANSWER_WITHIN_MS);
    channel.addEventListener('message', listen);
    channel.postMessage({ ask: sessionId });
  });
}
