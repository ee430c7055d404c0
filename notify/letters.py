"""What mails say. The words stand here once; `templates/` lays them out as text and as HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from notify.mail import Message

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a letter is for.

    By their handle alone: a name is free text, and anybody may give anybody's address.
    """

    address: str
    handle: str


@dataclass(frozen=True, slots=True)
class Doing:
    """When something was done, and from which network, if that is known."""

    at: datetime
    address: str | None


class Notice(Enum):
    """What an account's owner is told of: the subject, what the account has or is, and what to do.

    Where nothing else is said, the owner is told what to do if it was not them.
    """

    PASSWORD_CHANGED = ("Your password was changed", "has a new password")
    TOTP_ENABLED = (
        "An authenticator app was added",
        "asks for a code of an authenticator app from now on",
    )
    TOTP_DISABLED = (
        "An authenticator app was removed",
        "asks for codes of an authenticator app no longer",
    )
    PASSKEY_ADDED = ("A passkey was added", "has a new passkey, which opens it")
    PASSKEY_REMOVED = ("A passkey was removed", "has a passkey less than before")
    PASSKEY_CLONED = (
        "A passkey was refused",
        "has a passkey of which somebody seems to have a copy. It was refused just now",
        "Remove the passkey, and register another one in its place.",
    )
    RECOVERY_CODES_MADE = (
        "New recovery codes were made",
        "has new recovery codes; those from before are good for nothing any more",
    )
    RECOVERY_CODE_USED = (
        "A recovery code was used",
        "has a recovery code less: somebody gave one to prove that the account is theirs",
    )
    NEW_SIGN_IN = (
        "A new sign-in",
        "was signed in to from a network in which it was not used lately",
    )
    SESSION_CUT_OFF = (
        "A device was logged out",
        "was logged out on one device: somebody else may have had a copy of its secret",
        "Log in again there. If the list of your devices has one that is not yours, log it out.",
    )

    def __init__(self, subject: str, what: str, advice: str | None = None) -> None:
        self.subject = subject
        self.what = what
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Step:
    """Something that the reader can do with a code: on a page, or by pasting it."""

    label: str
    page: str
    token: str
    lasts: timedelta


class Letters:
    """Writes letters in the name of one server.

    Links lead to pages of the client at `client_url`, with the code behind the `#`, which browsers
    keep to themselves. Without such an address, letters show the code alone.
    """

    def __init__(self, service: str, client_url: str | None = None) -> None:
        self._service = service
        self._client_url = client_url.rstrip("/") if client_url else None
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )

    def verify_email(self, reader: Reader, *, token: str, lasts: timedelta) -> Message:
        """Ask whether an address belongs to an account."""
        return self._written(
            reader,
            "Confirm your e-mail address",
            _paragraphs(
                f"Somebody, probably you, gave this address for the {self._service} account "
                f"@{reader.handle}. Confirm that it is yours:"
            ),
            Step("Confirm this address", "verify-email", token, lasts),
            _paragraphs(
                "If it was not you, do nothing: nobody can use your address without this code."
            ),
        )

    def address_in_use(self, reader: Reader, *, owner: str) -> Message:
        """Tell somebody that another account asked for the address that `owner` has verified."""
        return self._written(
            reader,
            "You already have an account",
            _paragraphs(
                f"Somebody, probably you, gave this address for the {self._service} account "
                f"@{reader.handle}. It belongs to your account @{owner} already, and an address "
                "belongs to one account only.",
                f"Log in as @{owner}. If you have forgotten the password, ask for a new one there.",
            ),
            None,
            _paragraphs("If it was not you, do nothing: your account and your address are safe."),
        )

    def reset_password(self, reader: Reader, *, token: str, lasts: timedelta) -> Message:
        """Let somebody choose a new password."""
        return self._written(
            reader,
            "Choose a new password",
            _paragraphs(
                f"Somebody, probably you, asked for a new password for the {self._service} account "
                f"@{reader.handle}."
            ),
            Step("Choose a new password", "reset-password", token, lasts),
            _paragraphs(
                "If it was not you, do nothing: the password stays as it is. Tell nobody this "
                "code: whoever has it can set your password."
            ),
        )

    def email_changed(
        self, reader: Reader, *, new_address: str, token: str, lasts: timedelta, doing: Doing
    ) -> Message:
        """Tell the old address of a new one, with a way back."""
        return self._written(
            reader,
            "Your e-mail address was changed",
            _paragraphs(
                f"The {self._service} account @{reader.handle} has another e-mail address now: "
                f"{new_address}. Nothing more will come to this one.",
                _told(doing),
                "If it was you, all is well. If it was not, take your account back: this sets the "
                "address to this one again and logs everybody out. Choose a new password then.",
            ),
            Step("Take my account back", "restore-email", token, lasts),
            (),
        )

    def email_restored(self, reader: Reader, doing: Doing) -> Message:
        """Tell an address that it was replaced by the one before it."""
        return self._written(
            reader,
            "Your e-mail address was changed back",
            _paragraphs(
                f"The {self._service} account @{reader.handle} has the e-mail address again that "
                "it had before this one, and everybody was logged out. Whoever reads mail at the "
                "former address asked for it.",
                _told(doing),
            ),
            None,
            (),
        )

    def notice(
        self, reader: Reader, notice: Notice, doing: Doing, *, has_password: bool
    ) -> Message:
        """Tell somebody of what befell their account."""
        return self._written(
            reader,
            notice.subject,
            _paragraphs(
                f"The {self._service} account @{reader.handle} {notice.what}.", _told(doing)
            ),
            None,
            _paragraphs(
                notice.advice
                or f"If it was you, all is well. If it was not, {_OUT[has_password]} Then look "
                "through your account's settings."
            ),
        )

    def deletion_requested(self, reader: Reader, *, due_at: datetime, doing: Doing) -> Message:
        """Tell somebody that their account is to be deleted, and until when it can be kept."""
        return self._written(
            reader,
            "Your account will be deleted",
            _paragraphs(
                f"The {self._service} account @{reader.handle} will be deleted on "
                f"{_moment(due_at)}, as was asked for, and everybody was logged out.",
                _told(doing),
            ),
            None,
            _paragraphs(
                "If it was you, there is nothing more to do. If it was not, or if you think better "
                "of it, log in before then and keep the account. Logging in alone does not keep it."
            ),
        )

    def _written(
        self,
        reader: Reader,
        subject: str,
        before: Sequence[str],
        step: Step | None,
        after: Sequence[str],
    ) -> Message:
        values = {
            "service": self._service,
            "handle": reader.handle,
            "subject": subject,
            "before": before,
            "step": step,
            "lasts": _words(step.lasts) if step else "",
            "link": f"{self._client_url}/{step.page}#token={step.token}"
            if step and self._client_url
            else None,
            "after": after,
        }
        return Message(
            to=reader.address,
            subject=f"{subject} – {self._service}",
            text=self._templates.get_template("letter.txt").render(values),
            html=self._templates.get_template("letter.html").render(values),
        )


# How to shut a stranger out, for who has a password, and who has none.
_OUT = {
    True: "ask for a new password at once: that logs everybody out.",
    False: "log out everywhere else at once.",
}


def _paragraphs(*texts: str) -> tuple[str, ...]:
    return texts


def _words(lasts: timedelta) -> str:
    hours = round(lasts / timedelta(hours=1))
    count, unit = (hours // 24, "day") if hours >= 48 else (hours, "hour")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _told(doing: Doing) -> str:
    where = f", from {doing.address}" if doing.address else ""
    return f"This was done on {_moment(doing.at)}{where}."


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%B %Y at %H:%M} UTC"
