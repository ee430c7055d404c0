"""The root types as administrators have them: everybody's, and their own part."""

import strawberry

from schema.admin import Admin, admin
from schema.root import Mutation, Query


@strawberry.type(name="Query", description="What can be asked.")
class AdminQuery(Query):
    admin: Admin = strawberry.field(
        resolver=admin, description="What administrators alone may see."
    )


@strawberry.type(
    name="Mutation",
    description="What can be done. Each answers with what changed, or with `errors`.",
)
class AdminMutation(Mutation):
    pass
