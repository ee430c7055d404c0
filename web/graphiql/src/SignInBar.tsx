/** The bar above GraphiQL: sign in, see who one is, sign out. */
import { type FormEvent, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { ChallengeForm } from './ChallengeForm';
import { Unreachable } from './http';
import type { Person, Refusal, Session } from './session';
import type { Live, LiveStatus } from './socket';

const LIVE: Record<LiveStatus, string> = {
  idle: '',
  connecting: 'Socket: connecting…',
  open: 'Socket: open',
  reconnecting: 'Socket: reconnecting…',
};

export function SignInBar({ session, live }: { session: Session; live: Live }) {
  const { restoring, person, challenge, notice } = useSyncExternalStore(
    (observer) => session.observe(observer),
    () => session.state,
  );
  const status = useSyncExternalStore(
    (observer) => live.observe(observer),
    () => live.status,
  );
  // Whoever presses a button of this bar stays in it when its contents change under them; whoever
  // is typing an operation while a session ends is left alone.
  const acted = useRef(false);
  return (
    // GraphiQL's own class: the bar takes its colours from the same variables and follows its theme.
    <header className="graphiql-container hubbub-bar">
      <strong className="hubbub-name">Hubbub</strong>
      <span className="hubbub-live" data-status={status} data-testid="live" role="status">
        {LIVE[status]}
      </span>
      {restoring ? null : person ? (
        <SignedIn key="in" session={session} person={person} acted={acted} />
      ) : challenge ? (
        <ChallengeForm key="between" session={session} challenge={challenge} />
      ) : (
        <SignInForm key="out" session={session} notice={notice} acted={acted} />
      )}
    </header>
  );
}

interface Acted {
  current: boolean;
}

function SignedIn({ session, person, acted }: { session: Session; person: Person; acted: Acted }) {
  const label = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (acted.current) label.current?.focus();
    acted.current = false;
  }, [acted]);
  const logOut = (): void => {
    acted.current = true;
    void session.logOut();
  };
  return (
    <div className="hubbub-form">
      <span ref={label} tabIndex={-1} className="hubbub-person" data-testid="signed-in-as">
        Signed in as <b>@{person.handle}</b> ({person.displayName})
      </span>
      <button type="button" className="graphiql-button" data-testid="log-out" onClick={logOut}>
        Log out
      </button>
    </div>
  );
}

type Mode = 'logIn' | 'register';

function SignInForm({ session, notice, acted }: { session: Session; notice: string | null; acted: Acted }) {
  const handle = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  const displayName = useRef<HTMLInputElement>(null);
  const [mode, setMode] = useState<Mode>('logIn');
  const [busy, setBusy] = useState(false);
  const [refusals, setRefusals] = useState<readonly Refusal[]>([]);

  useEffect(() => {
    if (acted.current) handle.current?.focus();
    acted.current = false;
  }, [acted]);
  useEffect(() => {
    if (mode === 'register') displayName.current?.focus();
  }, [mode]);

  const send = async (how: Mode): Promise<void> => {
    if (busy) return;
    const input = { handle: handle.current?.value.trim() ?? '', password: password.current?.value ?? '' };
    const name = displayName.current?.value.trim() ?? '';
    setBusy(true);
    setRefusals([]);
    acted.current = true;
    let refused: readonly Refusal[];
    try {
      refused = await (how === 'logIn'
        ? session.logIn(input)
        : session.register({ ...input, displayName: name }));
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      refused = [{ message: error.message, code: 'UNREACHABLE' }];
    }
    if (refused.length === 0) return; // this form is gone
    acted.current = false;
    setBusy(false);
    setRefusals(refused);
    const fields = { handle, password, displayName };
    const wrong = fieldsOf(refused)[0];
    (wrong ? fields[wrong] : handle).current?.focus();
  };

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void send(mode);
  };
  const register = (): void => {
    setRefusals([]);
    setMode('register');
  };
  const logIn = (): void => {
    setMode('logIn');
    setRefusals([]);
    // The display name is asked for in the other mode only and must not keep one from logging in.
    if (handle.current?.checkValidity() && password.current?.checkValidity()) void send('logIn');
  };

  const message = refusals.map((refusal) => refusal.message).join(' ') || notice;
  const wrong = new Set(fieldsOf(refusals));
  const field = (name: Field) => ({
    name,
    required: true,
    'aria-invalid': wrong.has(name),
    'aria-describedby': wrong.has(name) ? 'hubbub-alert' : undefined,
  });
  return (
    <form className="hubbub-form" aria-label="Sign in" aria-busy={busy} onSubmit={submit}>
      <label>
        Handle
        <input
          ref={handle}
          {...field('handle')}
          data-testid="handle"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
        />
      </label>
      <label>
        Password
        <input
          ref={password}
          {...field('password')}
          data-testid="password"
          type="password"
          autoComplete={mode === 'logIn' ? 'current-password' : 'new-password'}
        />
      </label>
      {mode === 'register' && (
        <label>
          Display name
          <input ref={displayName} {...field('displayName')} data-testid="display-name" autoComplete="name" />
        </label>
      )}
      <span className="hubbub-buttons">
        <ModeButton testId="log-in" label="Log in" active={mode === 'logIn'} busy={busy} choose={logIn} />
        <ModeButton
          testId="register"
          label="Register"
          active={mode === 'register'}
          busy={busy}
          choose={register}
        />
      </span>
      <p id="hubbub-alert" className="hubbub-alert" role="alert" data-testid="sign-in-error">
        {message}
      </p>
    </form>
  );
}

interface ModeButtonProps {
  testId: string;
  label: string;
  active: boolean;
  busy: boolean;
  choose: () => void;
}

/** The active mode's button submits the form, also on Enter; the other one changes the mode. */
function ModeButton({ testId, label, active, busy, choose }: ModeButtonProps) {
  return (
    <button
      type={active ? 'submit' : 'button'}
      className={active ? 'graphiql-button hubbub-primary' : 'graphiql-button'}
      data-testid={testId}
      // Not `disabled`: that would throw the keyboard's focus out of the form for a moment.
      aria-disabled={busy}
      onClick={active ? undefined : choose}
    >
      {label}
    </button>
  );
}

type Field = 'handle' | 'password' | 'displayName';
const FIELDS: readonly Field[] = ['handle', 'password', 'displayName'];

/** The fields that the refusals' paths name: ["input", "handle"] or ["handle"]. */
function fieldsOf(refusals: readonly Refusal[]): Field[] {
  return refusals.flatMap(({ path }) => FIELDS.filter((field) => path?.at(-1) === field));
}
