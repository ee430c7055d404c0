/** What the bar asks for when the password was right and the account wants more. */
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { Unreachable } from './http';
import type { Challenge, Factor, Session } from './session';

export function ChallengeForm({ session, challenge }: { session: Session; challenge: Challenge }) {
  const code = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [message, setMessage] = useState('');
  const { methods, passkeyOptions } = challenge;
  const typed = methods.includes('TOTP') || methods.includes('RECOVERY_CODE');

  useEffect(() => code.current?.focus(), []);

  const meet = async (factor: Promise<Factor>): Promise<void> => {
    if (busy) return;
    setBusy(true);
    setMessage('');
    let refused: string;
    try {
      refused = (await session.complete(await factor)).map((refusal) => refusal.message).join(' ');
    } catch (error) {
      // A browser tells in a DOMException why there was no passkey, such as a person who cancelled.
      if (!(error instanceof Unreachable || error instanceof DOMException)) throw error;
      refused = error.message;
    }
    if (!refused) return; // this form is gone
    setBusy(false);
    setMessage(refused);
    code.current?.select();
  };

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const text = code.current?.value ?? '';
    const digits = text.replaceAll(/\s/g, '');
    void meet(Promise.resolve(/^\d{6}$/.test(digits) ? { totpCode: digits } : { recoveryCode: text }));
  };

  return (
    <form className="hubbub-form" aria-label="Second factor" aria-busy={busy} onSubmit={submit}>
      {typed && (
        <label>
          {methods.includes('TOTP') ? 'Code of the app, or a recovery code' : 'Recovery code'}
          <input
            ref={code}
            required
            data-testid="code"
            autoComplete="one-time-code"
            autoCapitalize="none"
            spellCheck={false}
            aria-describedby="hubbub-alert"
          />
        </label>
      )}
      <span className="hubbub-buttons">
        {typed && (
          <button
            type="submit"
            className="graphiql-button hubbub-primary"
            data-testid="complete"
            aria-disabled={busy}
          >
            Continue
          </button>
        )}
        {passkeyOptions !== null && (
          <button
            type="button"
            className="graphiql-button"
            data-testid="use-passkey"
            aria-disabled={busy}
            onClick={() => void meet(passkey(passkeyOptions))}
          >
            Use a passkey
          </button>
        )}
        <button
          type="button"
          className="graphiql-button"
          data-testid="abandon"
          onClick={() => {
            session.abandon();
          }}
        >
          Cancel
        </button>
      </span>
      <p id="hubbub-alert" className="hubbub-alert" role="alert" data-testid="sign-in-error">
        {message}
      </p>
    </form>
  );
}

/** Asks the browser for a passkey; throws a `DOMException` if there is none to be had. */
async function passkey(options: string): Promise<Factor> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    JSON.parse(options) as PublicKeyCredentialRequestOptionsJSON,
  );
  const credential = await navigator.credentials.get({ publicKey });
  if (!(credential instanceof PublicKeyCredential)) throw new DOMException('There is no passkey.');
  return { passkey: JSON.stringify(credential.toJSON()) };
}
