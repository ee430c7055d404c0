"""Which passwords may be chosen, after NIST SP 800-63B-4 §3.1.1.2.

Length, and neither common nor told by what anybody knows of the person: nothing else. The standard
wants 15 characters of a password that is all a person signs in with, and 8 of one beside a second
factor; which of them an installation asks for is a setting.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from accounts.common_passwords import is_common, is_told_by

MIN_LENGTH = 8  # characters; what the standard allows at least
MAX_LENGTH = 256  # the standard wants 64 to be possible; without an end, hashing could be abused


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """The rules of one installation: how long passwords are at least, and what it is called."""

    minimum: int = MIN_LENGTH
    service: str = "Hubbub"

    def problem(self, password: str, about: Iterable[str]) -> str | None:
        """Return why a password may not be chosen, as a sentence; None if it may.

        `about` is what anybody may know of the person: handle, names, address.
        """
        if len(password) < self.minimum:
            return f"The password needs at least {self.minimum} characters."
        if is_common(password):
            return "This password is among those that are guessed first: choose another."
        if is_told_by(password, [self.service, *about]):
            return "This password is made of your name, or the server's: choose another."
        return None
