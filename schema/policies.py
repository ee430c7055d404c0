"""Who may use which field of the root types: every field has its policy, or there is no schema.

This is the door. What lies behind it, each look-up decides by who asks: a policy never opens
somebody's chat, it only says which kinds of accounts come as far as asking.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema
from graphql.execution.execute import default_field_resolver

from models.errors import Forbidden
from models.users import UserKind
from models.viewer import Viewer
from resolvers.confirmation import require_confirmed
from schema.context import Context

PERSON = frozenset({UserKind.PERSON})
EVERY_ACCOUNT = frozenset(UserKind)
NO_BOT = EVERY_ACCOUNT - {UserKind.BOT}
NO_GUEST = EVERY_ACCOUNT - {UserKind.GUEST}


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may use a field.

    `anonymous`: also who is not signed in. `kinds`: which accounts. `scope`: what a bot's token
    must allow. `confirmed`: the person must have proved lately to be who they are. `admin`: the
    field is in the administrators' schema alone.
    """

    anonymous: bool = False
    kinds: frozenset[UserKind] = PERSON
    scope: str | None = None
    confirmed: bool = False
    admin: bool = False


_ANYBODY = Policy(anonymous=True, kinds=EVERY_ACCOUNT)

POLICIES: dict[str, Policy] = {
    "Query.viewer": _ANYBODY,
    "Query.server": _ANYBODY,
    "Query.node": Policy(kinds=EVERY_ACCOUNT),
    "Query.nodes": Policy(kinds=EVERY_ACCOUNT),
    "Query.user": Policy(kinds=NO_GUEST),
    "Query.users": Policy(),
    "Query.chat": Policy(kinds=EVERY_ACCOUNT, scope="chats:read"),
    "Query.admin": Policy(admin=True),
    "Mutation.register": _ANYBODY,
    "Mutation.logIn": _ANYBODY,
    "Mutation.refreshSession": _ANYBODY,
    "Mutation.logOut": Policy(kinds=NO_BOT),
    "Mutation.requestEmailVerification": Policy(),
    "Mutation.verifyEmail": _ANYBODY,
    "Mutation.changeEmail": Policy(confirmed=True),
    "Mutation.restoreEmail": _ANYBODY,
    "Mutation.requestPasswordReset": _ANYBODY,
    "Mutation.resetPassword": _ANYBODY,
    "Mutation.changePassword": Policy(),
    "Mutation.createChat": Policy(kinds=NO_GUEST, scope="chats:write"),
    "Mutation.updateChat": Policy(kinds=NO_GUEST, scope="chats:write"),
    "Mutation.addMembers": Policy(kinds=NO_GUEST, scope="members:write"),
    "Mutation.removeMember": Policy(kinds=NO_GUEST, scope="members:write"),
    "Mutation.leaveChat": Policy(kinds=EVERY_ACCOUNT, scope="chats:write"),
    "Mutation.sendMessage": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Mutation.editMessage": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Mutation.deleteMessage": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Mutation.addReaction": Policy(kinds=EVERY_ACCOUNT, scope="reactions:write"),
    "Mutation.removeReaction": Policy(kinds=EVERY_ACCOUNT, scope="reactions:write"),
    "Mutation.markRead": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Mutation.markDelivered": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Mutation.setTyping": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Subscription.events": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Subscription.typing": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
}


def guard(schema: GraphQLSchema) -> None:
    """Put each root field behind its policy; raises `RuntimeError` for a field without one."""
    roots = [schema.query_type, schema.mutation_type, schema.subscription_type]
    names = {f"{root.name}.{name}" for root in roots if root for name in root.fields}
    if without := sorted(names - POLICIES.keys()):
        raise RuntimeError(f"schema/policies.py does not say who may use {', '.join(without)}")
    for root in roots:
        if root is not None:
            _guard_fields(root, subscribing=root is schema.subscription_type)


def _guard_fields(root: GraphQLObjectType, *, subscribing: bool) -> None:
    for name, field in root.fields.items():
        policy = POLICIES[f"{root.name}.{name}"]
        if policy == _ANYBODY:
            continue
        if subscribing:
            if field.subscribe is None:
                raise RuntimeError(f"{root.name}.{name} cannot be subscribed to")
            field.subscribe = _guarded(field.subscribe, policy)
        else:
            field.resolve = _guarded(field.resolve or default_field_resolver, policy)


def _guarded(resolve: Callable[..., Any], policy: Policy) -> Callable[..., Any]:
    def checked(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        context: Context = info.context
        viewer = context.viewer if policy.anonymous else context.signed_in
        if viewer is not None:
            _require(viewer, policy)
            if policy.confirmed:
                return _confirmed(context, viewer, lambda: resolve(source, info, **arguments))
        return resolve(source, info, **arguments)

    return checked


def _require(viewer: Viewer, policy: Policy) -> None:
    """Raise `Forbidden` for an account that may not; decided before any id is looked at."""
    if viewer.kind not in policy.kinds:
        raise Forbidden(f"This is not for a {viewer.kind.value}.")
    if viewer.scopes is not None and (policy.scope is None or policy.scope not in viewer.scopes):
        needed = f"the scope {policy.scope}" if policy.scope else "what no scope gives"
        raise Forbidden(f"The bot's token lacks {needed}.")
    if policy.admin and not viewer.is_admin:
        raise GraphQLError("There is no such field.")  # never met: their schema has none


async def _confirmed(context: Context, viewer: Viewer, go_on: Callable[[], Any]) -> Any:
    await require_confirmed(context.services, viewer)
    result = go_on()
    return await result if isinstance(result, Awaitable) else result
