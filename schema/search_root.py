"""What can be found: a part of `Query`."""

import strawberry

from schema import search as search_fields
from schema.messages import MessageConnection


@strawberry.type
class SearchQueries:
    search_messages: MessageConnection = strawberry.field(
        resolver=search_fields.search_messages,
        description="What the viewer may read that has these words, the newest first, each with a "
        "`snippet`.",
    )
