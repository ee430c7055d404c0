"""Languages and time zones, as people's devices name them."""

import re
import zoneinfo
from functools import cache

MAX_LOCALE = 35  # RFC 5646 §4.4.1: what every program must be able to keep
MAX_TIME_ZONE = 64

# RFC 5646 §2.1, without the tags that were registered before it and the private ones.
_TAG = re.compile(
    r"""
    (?P<language>[a-z]{2,3}(-[a-z]{3}){0,3}|[a-z]{4,8})
    (-(?P<script>[a-z]{4}))?
    (-(?P<region>[a-z]{2}|[0-9]{3}))?
    (?P<rest>
        (-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*  # variants
        (-[0-9a-wyz](-[a-z0-9]{2,8})+)*       # extensions
        (-x(-[a-z0-9]{1,8})+)?                # private use
    )
    """,
    re.VERBOSE,
)
# Files beside those of time zones, which name none.
_NO_ZONES = frozenset({"Factory", "localtime", "posixrules"})


def locale(text: str) -> str | None:
    """Return a BCP 47 language tag as RFC 5646 §2.1.1 has it written; None for what is none.

    Whether there is such a language is not asked: the registry grows.
    """
    if len(text) > MAX_LOCALE or not text.isascii():
        return None
    tag = _TAG.fullmatch(text.lower())
    if tag is None:
        return None
    script, region = tag["script"], tag["region"]
    return "".join(
        (
            tag["language"],
            f"-{script.title()}" if script else "",
            f"-{region.upper()}" if region else "",
            tag["rest"],
        )
    )


def is_time_zone(text: str) -> bool:
    """Whether the IANA database, as this machine has it, names a zone so; case matters."""
    return len(text) <= MAX_TIME_ZONE and text in _zones()


@cache
def _zones() -> frozenset[str]:
    """Return the names of all zones; read once, which takes some milliseconds."""
    return frozenset(zoneinfo.available_timezones()) - _NO_ZONES
