"""Second factors as a person has them: an app that shows codes, and what the server keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import sqlalchemy as sa

from accounts.totp import STEP
from models.audit import audit_log
from models.database import Database
from models.sessions import sessions
from models.tickets import tickets
from models.totp import totp
from tests.parts.authenticator import Authenticator
from tests.parts.people import PASSWORD, SIGNED_IN, Person

FACTORS = "totp passkeys { id name createdAt lastUsedAt backedUp } recoveryCodesLeft"
CHALLENGE = f"{SIGNED_IN} challenge {{ token expiresAt methods passkeyOptions }}"
# Nothing listens there; passkeys are bound to it as they would be to the domain of a real server.
ORIGIN = "http://localhost:8000"


@dataclass
class App:
    """An authenticator app with one secret."""

    secret: str

    def code(self, steps: int = 0) -> str:
        """Return what it shows, or will show so many steps from now."""
        return pyotp.TOTP(self.secret).at(datetime.now(UTC) + timedelta(seconds=STEP * steps))


async def ask(person: Person, mutation: str, selection: str) -> Any:
    """Run a mutation without input and return its payload."""
    text = f"mutation {{ {mutation} {{ {selection} errors {{ code }} }} }}"
    return (await person.ask(text))[mutation]


async def enable_totp(person: Person) -> tuple[App, list[str]]:
    """Set up an authenticator app; returns it and the recovery codes."""
    begun = await ask(person, "beginTotp", "secret uri qrSvg")
    assert begun["errors"] == []
    app = App(begun["secret"])
    done = await person.done(
        "confirmTotp", f"secondFactors {{ {FACTORS} }} recoveryCodes", code=app.code()
    )
    assert done["secondFactors"]["totp"]
    return app, done["recoveryCodes"]


async def register_passkey(
    person: Person, authenticator: Authenticator, name: str = "Phone", **lies: Any
) -> Any:
    """Register a passkey; returns the payload, which may be a refusal."""
    begun = await ask(person, "beginPasskeyRegistration", "challengeId options")
    assert begun["errors"] == []
    return await person.do(
        "finishPasskeyRegistration",
        "passkey { id name createdAt lastUsedAt backedUp } recoveryCodes",
        challengeId=begun["challengeId"],
        name=name,
        credential=authenticator.create(begun["options"], **lies),
    )


async def challenged(person: Person, handle: str, password: str = PASSWORD) -> Any:
    """Log in with the password and return the challenge that follows."""
    payload = await person.done("logIn", CHALLENGE, handle=handle, password=password)
    assert payload["accessToken"] is None
    assert payload["refreshToken"] is None
    assert payload["session"] is None
    return payload["challenge"]


async def complete(person: Person, token: str, **factor: str) -> Any:
    """Meet a challenge; returns the payload, which may be a refusal."""
    return await person.do("completeLogIn", SIGNED_IN, challengeToken=token, factor=factor)


async def factors_of(person: Person) -> Any:
    """Return a person's factors as they see them."""
    answer = await person.ask(f"{{ viewer {{ secondFactors {{ {FACTORS} }} }} }}")
    return answer["viewer"]["secondFactors"]


def code_of(payload: Any) -> str | None:
    """Return why something was refused, None if it was not."""
    codes = [error["code"] for error in payload["errors"]]
    assert len(codes) <= 1
    return codes[0] if codes else None


# --- what the server keeps -----------------------------------------------------------------------


async def a_minute_passes(db: Database) -> None:
    """Let the app show codes that were not used yet."""
    async with db.writing() as connection:
        await connection.execute(totp.update().values(last_step=totp.c.last_step - 2))


async def time_passes_for_sessions(db: Database) -> None:
    """Let it be long ago that anybody proved who they are."""
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    async with db.writing() as connection:
        await connection.execute(sessions.update().values(confirmed_at=long_ago))


async def tickets_expire(db: Database) -> None:
    """Let every challenge be out of date."""
    just_now = datetime.now(UTC) - timedelta(seconds=1)
    async with db.writing() as connection:
        await connection.execute(tickets.update().values(expires_at=just_now))


async def acts(db: Database) -> list[str]:
    """Return what the audit log says was done, in order."""
    async with db.reading() as connection:
        rows = await connection.execute(sa.select(audit_log.c.act).order_by(audit_log.c.id))
        return list(rows.scalars())
