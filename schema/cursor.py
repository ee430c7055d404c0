"""The Cursor scalar."""

from typing import NewType

import strawberry

# A string to Python; a type of its own to clients, whose code generators tell it from other text.
Cursor = NewType("Cursor", str)

SCALAR = strawberry.scalar(
    name="Cursor",
    description="A place in the viewer's events; opaque. Keep the last one to resume from it.",
    serialize=str,
    parse_value=str,
)
