"""Rules for what people are called."""

from accounts import handles, names
from models.errors import HandleTaken, InvalidInput
from resolvers.text import line

MAX_NAME = 64  # characters
GUEST_HANDLES = "guest_"  # nobody else's begin so


def new_handle(handle: str, *, is_admin: bool = False) -> str:
    """Return a handle as it is stored; raises `InvalidInput`, or `HandleTaken` for a reserved one.

    Administrators may be called what they are. Whether it is somebody's is found out by storing it.
    """
    handle = handle.strip().lower()
    if not handles.is_handle(handle):
        raise InvalidInput(
            "A handle has 3 to 32 characters: a letter, then letters, digits or underscores "
            "(a to z only).",
            path=["handle"],
        )
    if handle.startswith(GUEST_HANDLES):
        raise InvalidInput(f"No handle begins with {GUEST_HANDLES}.", path=["handle"])
    if handles.is_reserved(handle) and not is_admin:
        raise HandleTaken(handle)
    return handle


def display_name(name: str, *, is_admin: bool = False) -> str:
    """Return a name to show, without surrounding space; raises `InvalidInput`."""
    path = ["displayName"]
    name = line(name, what="The display name", maximum=MAX_NAME, path=path)
    if names.mixes_scripts(name):
        raise InvalidInput(
            "The display name has a word with letters of several alphabets that look alike.",
            path=path,
        )
    if names.claims_office(name) and not is_admin:
        raise InvalidInput("The display name would speak for the server.", path=path)
    return name
