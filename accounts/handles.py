"""Handles: what they are made of, and which are nobody's."""

import re

SHAPE = re.compile(r"[a-z][a-z0-9_]{2,31}")

# Whoever had one of these would seem to speak for the server, or would be taken for a command, a
# mention of many, or the place that nobody is.
_RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
        abuse account accounts admin administrator administrators admins all anonymous anyone api
        billing bot bots channel contact deleted everybody everyone graphiql graphql guest guests
        help here hostmaster hubbub info mail mailerdaemon me mod moderator moderators mods nobody
        noreply null official operator owner password payments postmaster privacy register root
        security server service settings signin signup staff status superuser support sysadmin
        system team undefined unknown user users webmaster you
        """,
    )
)
# Digits that are written in place of letters by those who want to be taken for somebody; a 1 can
# be either of two.
_DISGUISES = [str.maketrans("013457", f"o{one}east", "_") for one in "il"]


def is_handle(text: str) -> bool:
    """Whether a text, in lower case, has the shape of a handle.

    With nothing but ASCII there are no look-alikes of other scripts.
    """
    return SHAPE.fullmatch(text) is not None


def is_reserved(handle: str) -> bool:
    """Whether a handle is kept from people, or looks like one that is: `adm1n`, `sup_port`."""
    return any(handle.translate(disguise) in _RESERVED for disguise in _DISGUISES)
