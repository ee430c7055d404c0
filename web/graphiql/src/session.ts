/** Who is signed in in this browser tab, and the tokens that say so. */
import { askForOwner, answerAsOwner } from './owner';
import { codeOf, post, Unreachable } from './http';

export interface Person {
  id: string;
  handle: string;
  displayName: string;
}

/** What the server says when it refuses to sign somebody in; `path` names the input's field. */
export interface Refusal {
  message: string;
  code: string;
  path?: readonly (string | number)[] | null;
}

/** What the server asks for beside the password. */
export interface Challenge {
  token: string;
  methods: readonly ('TOTP' | 'PASSKEY' | 'RECOVERY_CODE')[];
  /** For `navigator.credentials.get`, as JSON. */
  passkeyOptions: string | null;
}

/** What a challenge is met with. */
export type Factor = { totpCode: string } | { recoveryCode: string } | { passkey: string };

export interface SessionState {
  /** Nobody can be shown yet: another tab is being asked whether the stored session is its own. */
  restoring: boolean;
  person: Person | null;
  /** The second half of a log-in whose password was right. */
  challenge: Challenge | null;
  /** Why nobody is signed in any more, when that was not this person's wish. */
  notice: string | null;
}

interface Stored {
  sessionId: string;
  person: Person;
  accessToken: string;
  refreshToken: string;
  /** Milliseconds of this machine's clock, as the server only tells how long a token lasts. */
  refreshAt: number;
}

interface AuthPayload {
  session: { id: string; user: Person } | null;
  accessToken: string | null;
  refreshToken: string | null;
  expiresIn: number | null;
  challenge?: Challenge | null;
  errors: readonly Refusal[];
}

type Outcome = { stored: Stored } | { challenge: Challenge } | { refusals: readonly Refusal[] };

const STORAGE_KEY = 'hubbub:session';
const DEVICE_NAME = 'GraphiQL';
// Long enough for a slow request to arrive before the token is too old; a quarter of the lifetime
// where tokens are shorter-lived than two minutes.
const REFRESH_MARGIN_MS = 30_000;
const RETRY_REFRESH_MS = 5_000;
// setTimeout takes a signed 32-bit number and fires at once beyond it.
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

const AUTH_FIELDS = `
  session { id user { id handle displayName } }
  accessToken refreshToken expiresIn
  errors { message code path }
`;
const REGISTER = `mutation Register($input: RegisterInput!) {
  auth: register(input: $input) { ${AUTH_FIELDS} }
}`;
const LOG_IN = `mutation LogIn($input: LogInInput!) {
  auth: logIn(input: $input) { ${AUTH_FIELDS} challenge { token methods passkeyOptions } }
}`;
const COMPLETE = `mutation CompleteLogIn($input: CompleteLogInInput!) {
  auth: completeLogIn(input: $input) { ${AUTH_FIELDS} }
}`;
const REFRESH = `mutation Refresh($input: RefreshSessionInput!) {
  auth: refreshSession(input: $input) { ${AUTH_FIELDS} }
}`;
const LOG_OUT = `mutation LogOut { logOut { errors { code } } }`;

/**
 * One session, kept in sessionStorage: a reload keeps it, and another tab can be another person.
 * Observed by React through `observe` and `state`.
 */
export class Session {
  readonly #endpoint: string;
  readonly #observers = new Set<() => void>();
  readonly #restored: Promise<void>;
  #state: SessionState = { restoring: true, person: null, challenge: null, notice: null };
  #stored: Stored | null = null;
  #refreshing: Promise<boolean> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
    answerAsOwner(() => this.#stored?.sessionId);
    this.#restored = this.#restore();
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Calls `observer` after every change of `state`; returns how to stop that. */
  observe(observer: () => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** Signs in, or puts a challenge into the state; returns why not, or nothing. */
  async logIn(input: { handle: string; password: string }): Promise<readonly Refusal[]> {
    return this.#signIn(LOG_IN, { ...input, deviceName: DEVICE_NAME });
  }

  /** Meets the challenge of the state; returns why not, or nothing. */
  async complete(factor: Factor): Promise<readonly Refusal[]> {
    const challenge = this.#state.challenge;
    if (challenge === null) return [];
    const refusals = await this.#signIn(COMPLETE, { challengeToken: challenge.token, factor });
    const over = refusals.find(({ code }) => code === 'CHALLENGE_OVER');
    if (!over) return refusals;
    this.#show({ challenge: null, notice: over.message });
    return [];
  }

  /** Goes back to asking for handle and password. */
  abandon(): void {
    this.#show({ challenge: null, notice: null });
  }

  /** Makes an account and signs in to it; returns why not, or nothing. */
  async register(input: {
    handle: string;
    password: string;
    displayName: string;
  }): Promise<readonly Refusal[]> {
    return this.#signIn(REGISTER, { ...input, deviceName: DEVICE_NAME });
  }

  /** Ends the session here whatever happens, and on the server if it can be reached. */
  async logOut(): Promise<void> {
    const token = await this.token();
    this.#forget(null);
    if (token === null) return;
    try {
      await post(this.#endpoint, { query: LOG_OUT }, { authorization: `Bearer ${token}` });
    } catch {
      this.#show({
        notice: 'You are logged out here, but the server could not be told: it still lists the session.',
      });
    }
  }

  /** An access token that is good for a while, or null when nobody is signed in. */
  async token(): Promise<string | null> {
    await this.#restored;
    if (this.#stored !== null && Date.now() >= this.#stored.refreshAt) await this.refresh();
    return this.#stored?.accessToken ?? null;
  }

  /** Replaces a token that the server refused; returns whether there is another one to try. */
  async replace(refused: string): Promise<boolean> {
    // Of several requests refused at once, the first one to get here has fetched a new token.
    if (this.#stored !== null && this.#stored.accessToken !== refused) return true;
    return this.refresh();
  }

  /**
   * Exchanges the refresh token; returns whether that worked. There is one exchange at a time: refresh
   * tokens are used once, and a second use looks to the server like theft and ends the session.
   */
  refresh(): Promise<boolean> {
    this.#refreshing ??= this.#exchange().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #signIn(query: string, input: object): Promise<readonly Refusal[]> {
    const auth = await this.#authenticate(query, input);
    if ('refusals' in auth) return auth.refusals;
    if ('stored' in auth) this.#keep(auth.stored);
    else this.#show({ challenge: auth.challenge, notice: null });
    return [];
  }

  async #exchange(): Promise<boolean> {
    const before = this.#stored;
    if (before === null) return false;
    let auth;
    try {
      auth = await this.#authenticate(REFRESH, { refreshToken: before.refreshToken });
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      // A server that restarts still knows this session: keep it and try again.
      this.#refreshIn(RETRY_REFRESH_MS);
      return false;
    }
    // Somebody logged out, or in, while the answer was on its way.
    if (this.#stored !== before) return this.#stored !== null;
    if ('stored' in auth) {
      this.#keep(auth.stored);
      return true;
    }
    const reason = 'refusals' in auth ? auth.refusals[0]?.message : undefined;
    this.#forget(`Your session has ended. ${reason ? `${reason} ` : ''}Please log in again.`);
    return false;
  }

  /** Runs one of the four mutations that answer with tokens; throws `Unreachable`. */
  async #authenticate(query: string, input: object): Promise<Outcome> {
    const sentAt = Date.now();
    const { data, errors } = await post<{ auth: AuthPayload | null }>(this.#endpoint, {
      query,
      variables: { input },
    });
    const auth = data?.auth;
    if (!auth) {
      const message = errors?.[0]?.message ?? 'The server gave no answer.';
      const code = codeOf(errors) ?? 'UNKNOWN';
      // Of the errors outside a payload, only this one is a verdict on the credentials.
      if (code === 'UNAUTHENTICATED') return { refusals: [{ message, code }] };
      throw new Unreachable(message);
    }
    if (auth.challenge) return { challenge: auth.challenge };
    const { session, accessToken, refreshToken, expiresIn } = auth;
    if (!session || accessToken === null || refreshToken === null || expiresIn === null) {
      const limited = auth.errors.find((error) => error.code === 'RATE_LIMITED');
      if (limited) throw new Unreachable(limited.message);
      const silent = { message: 'The server neither signed in nor said why.', code: 'UNKNOWN' };
      return { refusals: auth.errors.length > 0 ? auth.errors : [silent] };
    }
    const lifetime = expiresIn * 1000;
    const refreshAt = sentAt + lifetime - Math.min(REFRESH_MARGIN_MS, lifetime / 4);
    const { id: sessionId, user: person } = session;
    return { stored: { sessionId, person, accessToken, refreshToken, refreshAt } };
  }

  async #restore(): Promise<void> {
    const stored = read();
    if (stored === null) return this.#show({ restoring: false });
    // Duplicating a tab copies its sessionStorage. Two tabs with one refresh token would end the
    // session for both, and logging out in the copy would log out the original.
    if (await askForOwner(stored.sessionId)) {
      sessionStorage.removeItem(STORAGE_KEY);
      return this.#show({
        restoring: false,
        notice: `This tab was copied from one where @${stored.person.handle} is signed in. Sign in here as anybody.`,
      });
    }
    this.#keep(stored);
  }

  #keep(stored: Stored): void {
    this.#stored = stored;
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(stored));
    this.#refreshIn(stored.refreshAt - Date.now());
    this.#show({ restoring: false, person: stored.person, challenge: null, notice: null });
  }

  #forget(notice: string | null): void {
    this.#stored = null;
    sessionStorage.removeItem(STORAGE_KEY);
    clearTimeout(this.#timer);
    this.#show({ person: null, notice });
  }

  #refreshIn(delay: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), Math.min(Math.max(delay, 0), LONGEST_TIMEOUT_MS));
  }

  #show(change: Partial<SessionState>): void {
    this.#state = { ...this.#state, ...change };
    for (const observer of this.#observers) observer();
  }
}

function read(): Stored | null {
  const text = sessionStorage.getItem(STORAGE_KEY);
  // Only this file writes the key, and it always writes a whole `Stored`.
  return text === null ? null : (JSON.parse(text) as Stored);
}
