"""The administrators' part of the schema; nobody else's schema has it."""

import strawberry

from schema.context import Info


def _open_sockets(info: Info) -> int:
    return len(info.context.services.node.sockets)


@strawberry.type(description="What administrators alone may see.")
class Admin:
    open_sockets: int = strawberry.field(
        resolver=_open_sockets, description="How many sockets are open on this node."
    )


def admin() -> Admin:
    """Resolve `Query.admin`."""
    return Admin()
