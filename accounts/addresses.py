"""E-mail addresses: which are ones, how they are shown, and when two are the same."""

from dataclasses import dataclass

import email_validator
from email_validator import EmailNotValidError

MAX_ADDRESS = 254  # characters; RFC 5321 §4.5.3.1.3, less the angle brackets

# Half of the world's internal networks end so, whatever RFC 6762 says; this is how the library
# wants to be told.
if "local" in email_validator.SPECIAL_USE_DOMAIN_NAMES:
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove("local")


class BadAddress(Exception):
    """It is not an address, or not one that mail of ours can reach; the message says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """An e-mail address.

    `text` is for people, with letters of any script in its domain. `ascii` is what mail is sent to.
    Addresses with the same `key` are one: capitals make no difference, which every provider keeps
    although RFC 5321 §2.4 leaves them the choice.
    """

    text: str
    ascii: str

    @property
    def key(self) -> str:
        """What the address is found by."""
        return self.ascii.lower()


def read(text: str) -> Address:
    """Return the address that a text is, alone and without a name; raises `BadAddress`.

    Nothing is looked up in the DNS. Names of an organisation's own network are allowed; a domain
    without a dot is a slip more often.
    """
    try:
        found = email_validator.validate_email(
            text.strip(),
            strict=True,
            # Many servers still refuse mail for a name before the @ that is not ASCII (RFC 6531).
            allow_smtputf8=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            check_deliverability=False,
            globally_deliverable=False,
        )
    except EmailNotValidError as error:
        raise BadAddress(str(error)) from error
    if found.ascii_email is None or len(found.ascii_email) > MAX_ADDRESS:
        raise BadAddress("It is too long.")
    if "." not in found.ascii_domain:
        raise BadAddress("The part after the @-sign has no dot.")
    return Address(text=found.normalized, ascii=found.ascii_email)
