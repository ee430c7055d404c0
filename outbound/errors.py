"""Why nothing came back.

    OutboundError
    ├── Refused                 we do not ask: nothing was sent
    │   ├── BadTarget           the URL is none that is asked
    │   ├── AddressRefused      its name leads to where nobody from outside may go
    │   └── TooManyRedirects
    ├── Unusable                they answered, and it is of no use
    │   ├── BadStatus
    │   ├── WrongType
    │   └── TooLarge            before or after unpacking
    └── Unreachable             they did not answer, or not in time: worth another try
        └── NoSuchHost

The texts go to logs and to those who made a webhook: they hold no part of what was answered.
"""


class OutboundError(Exception):
    """Nothing came back that can be used."""


class Refused(OutboundError):
    """Nothing was sent to where this leads."""


class BadTarget(Refused):
    """The URL is none that is asked."""


class AddressRefused(Refused):
    """The name leads to an address where nobody from outside may go."""


class TooManyRedirects(Refused):
    """One redirect led to another too often."""


class Unusable(OutboundError):
    """What was answered is of no use."""


class BadStatus(Unusable):
    """The answer is not a success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"answered {status}")
        self.status = status


class WrongType(Unusable):
    """The answer is of a type, or packed in a way, that was not asked for."""


class TooLarge(Unusable):
    """The answer is longer than it may be."""


class Unreachable(OutboundError):
    """Nobody answered, or not in time, or not in HTTP."""


class NoSuchHost(Unreachable):
    """DNS knows no address of this name, or did not answer."""
