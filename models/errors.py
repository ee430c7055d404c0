"""Refusals: every way in which Hubbub says no, as one tree.

    Refusal
    ├── Unauthenticated        nobody is signed in, or the token is no longer good
    │   └── CsrfTokenRequired  … or a cookie came without proof of which page sent it
    ├── InvalidInput           the request itself is wrong; `path` says where
    │   └── TooLong            … by being longer than `maximum`
    ├── BadCredentials         handle and password do not go together
    ├── AccountSuspended       they do, but an administrator keeps the account out
    ├── SignUpClosed           nobody can register
    ├── InvitationRequired     nobody can register without an invitation that is good
    ├── InvalidTicket          a mailed code was used, is too old, or was never issued
    ├── NotFound               absent, or not for this viewer: the two look the same
    ├── Forbidden              seen, but this viewer may not do that to it
    ├── Conflict               contradicts what is stored
    │   ├── HandleTaken
    │   └── ChatFull           no more people fit into it
    ├── Filtered               a word filter does not let the text through
    ├── BadFactor              the code or the passkey is not the person's, or was used before
    ├── SecondFactorRequired   a password alone proves too little for this account
    ├── ChallengeOver          it was met, has expired, or was tried too often: begin anew
    ├── ConfirmationRequired   the person must prove again to be who they are
    ├── RateLimited            too often; good again after `retry_after` seconds
    └── Overloaded             try again in a moment

A refusal is an answer, not a failure: it is safe to show, and stores nothing. `schema/errors.py`
turns it into what clients see and masks every other exception.
"""

from collections.abc import Sequence


class Raced(Exception):
    """Another transaction stored the same unique key first: roll back and look again."""


class Unreachable(Exception):
    """The database was lost in the middle: whether the last COMMIT took place is unknown."""


class Refusal(Exception):
    """A clear no: `code` for programs, the message for people, `path` to the offending input."""

    code = "REFUSED"

    def __init__(self, message: str, *, path: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = tuple(path)


class Unauthenticated(Refusal):
    code = "UNAUTHENTICATED"

    def __init__(self, message: str = "Sign in first.") -> None:
        super().__init__(message)


class CsrfTokenRequired(Unauthenticated):
    code = "CSRF_TOKEN_REQUIRED"

    def __init__(self, header: str) -> None:
        super().__init__(f"Cookies say who asks: send the session's CSRF token as {header}.")


class InvalidInput(Refusal):
    code = "INVALID_INPUT"


class TooLong(InvalidInput):
    code = "TOO_LONG"

    def __init__(self, what: str, *, actual: int, maximum: int, path: Sequence[str]) -> None:
        super().__init__(
            f"{what} has {actual} characters; at most {maximum} are allowed.", path=path
        )
        self.actual = actual
        self.maximum = maximum


class BadCredentials(Refusal):
    code = "BAD_CREDENTIALS"

    def __init__(
        self, message: str = "Handle or password is wrong.", *, path: Sequence[str] = ()
    ) -> None:
        super().__init__(message, path=path)


class InvalidTicket(Refusal):
    code = "INVALID_TOKEN"

    def __init__(self) -> None:
        super().__init__(
            "This code is not good, or not any more: it works once, and not for long. Ask for "
            "another one.",
            path=["token"],
        )


class AccountSuspended(Refusal):
    code = "ACCOUNT_SUSPENDED"

    def __init__(self) -> None:
        super().__init__("The account is suspended; ask an administrator of this server.")


class SignUpClosed(Refusal):
    code = "SIGN_UP_CLOSED"

    def __init__(self) -> None:
        super().__init__("Nobody can register on this server.")


class InvitationRequired(Refusal):
    code = "INVITATION_REQUIRED"

    def __init__(self) -> None:
        super().__init__(
            "It takes an invitation to register on this server, and one that is still good.",
            path=["invitation"],
        )


class NotFound(Refusal):
    code = "NOT_FOUND"

    def __init__(self, what: str, *, path: Sequence[str] = ()) -> None:
        super().__init__(f"{what} was not found.", path=path)


class Forbidden(Refusal):
    code = "FORBIDDEN"


class Conflict(Refusal):
    code = "CONFLICT"


class HandleTaken(Conflict):
    code = "HANDLE_TAKEN"

    def __init__(self, handle: str) -> None:
        super().__init__(f"The handle “{handle}” is taken.", path=["handle"])


class Filtered(Refusal):
    """Which filter it was is not said: who is told what is looked for writes around it."""

    code = "FILTERED"

    def __init__(self, *, path: Sequence[str]) -> None:
        super().__init__("A word filter does not let this text through.", path=path)


class ChatFull(Conflict):
    code = "CHAT_FULL"

    def __init__(self, *, maximum: int) -> None:
        super().__init__(f"A chat of this kind has {maximum} members at most.")
        self.maximum = maximum


class Overloaded(Refusal):
    code = "OVERLOADED"

    def __init__(self) -> None:
        super().__init__("The server is busy; try again in a moment.")


class BadFactor(Refusal):
    code = "BAD_FACTOR"

    def __init__(self, *, path: Sequence[str] = ()) -> None:
        super().__init__("The code or passkey is wrong, or was used before.", path=path)


class SecondFactorRequired(Refusal):
    code = "SECOND_FACTOR_REQUIRED"

    def __init__(self, *, path: Sequence[str] = ()) -> None:
        super().__init__("The account has a second factor: the password is not enough.", path=path)


class ChallengeOver(Refusal):
    code = "CHALLENGE_OVER"

    def __init__(self) -> None:
        super().__init__("This was finished, has expired, or was tried too often: begin anew.")


class ConfirmationRequired(Refusal):
    code = "CONFIRMATION_REQUIRED"

    def __init__(self) -> None:
        super().__init__("Confirm who you are first: use confirmIdentity, or log in again.")


class RateLimited(Refusal):
    code = "RATE_LIMITED"

    def __init__(self, *, retry_after: int) -> None:
        super().__init__(f"Too often; try again in {retry_after} seconds.")
        self.retry_after = retry_after
