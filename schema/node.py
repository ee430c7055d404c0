"""The Node interface."""

import strawberry


@strawberry.interface(description="A thing with an id of its own, to be refetched by `node`.")
class Node:
    id: strawberry.ID = strawberry.field(
        description="Opaque and stable; do not take it apart, it may change its look."
    )
