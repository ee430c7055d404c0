"""Who may use which field of the root types: every field has its policy, or there is no schema.

This is the door. What lies behind it, each look-up decides by who asks: a policy never opens
somebody's chat, it only says which kinds of accounts come as far as asking.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    get_named_type,
)
from graphql.execution.execute import default_field_resolver
from strawberry.schema.schema_converter import GraphQLCoreConverter

from models.errors import Forbidden
from models.users import UserKind
from models.viewer import Viewer
from resolvers import confirmation
from resolvers.rates import Pace
from schema.context import Context
from schema.errors import user_error
from schema.pacing import pace_of, too_fast

log = structlog.get_logger(__name__)

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
    "Query.node": Policy(kinds=EVERY_ACCOUNT, scope="chats:read"),
    "Query.nodes": Policy(kinds=EVERY_ACCOUNT, scope="chats:read"),
    "Query.user": Policy(kinds=NO_GUEST, scope="members:read"),
    "Query.users": Policy(),
    "Query.chat": Policy(kinds=EVERY_ACCOUNT, scope="chats:read"),
    "Query.joinLink": Policy(),
    "Query.thread": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Query.searchMessages": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Query.admin": Policy(admin=True),
    "Mutation.register": _ANYBODY,
    "Mutation.logIn": _ANYBODY,
    "Mutation.completeLogIn": _ANYBODY,
    "Mutation.beginPasskeyLogIn": _ANYBODY,
    "Mutation.finishPasskeyLogIn": _ANYBODY,
    "Mutation.beginTotp": Policy(confirmed=True),
    # Only `beginTotp` has told the secret, so whoever has a code of it was confirmed then.
    "Mutation.confirmTotp": Policy(),
    "Mutation.disableTotp": Policy(confirmed=True),
    "Mutation.regenerateRecoveryCodes": Policy(confirmed=True),
    "Mutation.beginPasskeyRegistration": Policy(confirmed=True),
    # It takes the challenge of the same session's beginning, which lasts minutes.
    "Mutation.finishPasskeyRegistration": Policy(),
    "Mutation.renamePasskey": Policy(),
    "Mutation.removePasskey": Policy(confirmed=True),
    "Mutation.beginPasskeyConfirmation": Policy(),
    "Mutation.confirmIdentity": Policy(),
    "Mutation.refreshSession": _ANYBODY,
    "Mutation.logOut": Policy(kinds=NO_BOT),
    "Mutation.revokeSession": Policy(kinds=NO_BOT),
    "Mutation.revokeOtherSessions": Policy(kinds=NO_BOT),
    "Mutation.joinAsGuest": _ANYBODY,
    "Mutation.requestDataExport": Policy(confirmed=True),
    "Mutation.deleteAccount": Policy(confirmed=True),
    "Mutation.cancelAccountDeletion": Policy(),
    "Mutation.updateProfile": Policy(),
    "Mutation.changeHandle": Policy(confirmed=True),
    "Mutation.updateSettings": Policy(),
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
    "Mutation.changeMemberRole": Policy(kinds=NO_GUEST, scope="members:write"),
    "Mutation.transferOwnership": Policy(),
    "Mutation.updateViewerMembership": Policy(kinds=NO_BOT),
    "Mutation.orderPinnedChats": Policy(kinds=NO_BOT),
    "Mutation.createFolder": Policy(),
    "Mutation.updateFolder": Policy(),
    "Mutation.deleteFolder": Policy(),
    "Mutation.orderFolders": Policy(),
    "Mutation.createGuestLink": Policy(),
    "Mutation.revokeGuestLink": Policy(),
    "Mutation.createJoinLink": Policy(),
    "Mutation.revokeJoinLink": Policy(),
    "Mutation.joinChat": Policy(),
    "Mutation.answerJoinRequest": Policy(kinds=NO_GUEST, scope="members:write"),
    "Mutation.withdrawJoinRequest": Policy(),
    "Mutation.banMember": Policy(kinds=NO_GUEST, scope="members:write"),
    "Mutation.unbanMember": Policy(kinds=NO_GUEST, scope="members:write"),
    "Mutation.silenceMember": Policy(kinds=NO_GUEST, scope="members:write"),
    "Mutation.unsilenceMember": Policy(kinds=NO_GUEST, scope="members:write"),
    "Mutation.setWordFilters": Policy(kinds=NO_GUEST, scope="chats:write"),
    "Mutation.blockUser": Policy(),
    "Mutation.unblockUser": Policy(),
    "Mutation.createBot": Policy(),
    "Mutation.createBotToken": Policy(confirmed=True),
    "Mutation.revokeBotToken": Policy(),
    "Mutation.deleteBot": Policy(),
    "Mutation.createWebhook": Policy(),
    "Mutation.updateWebhook": Policy(),
    "Mutation.deleteWebhook": Policy(),
    "Mutation.rotateWebhookSecret": Policy(),
    "Mutation.sendTestEvent": Policy(),
    "Mutation.createIncomingWebhook": Policy(),
    "Mutation.revokeIncomingWebhook": Policy(),
    "Mutation.reportUser": Policy(kinds=NO_BOT),
    "Mutation.reportMessage": Policy(kinds=NO_BOT),
    "Mutation.reportChat": Policy(kinds=NO_BOT),
    "Mutation.sendMessage": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Mutation.editMessage": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Mutation.deleteMessage": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Mutation.forwardMessages": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Mutation.pinMessage": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Mutation.unpinMessage": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Mutation.hideMessage": Policy(kinds=NO_BOT),
    "Mutation.clearHistory": Policy(kinds=NO_BOT),
    "Mutation.addReaction": Policy(kinds=EVERY_ACCOUNT, scope="reactions:write"),
    "Mutation.removeReaction": Policy(kinds=EVERY_ACCOUNT, scope="reactions:write"),
    "Mutation.votePoll": Policy(kinds=EVERY_ACCOUNT, scope="reactions:write"),
    "Mutation.closePoll": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Mutation.followThread": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Mutation.unfollowThread": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Mutation.markThreadRead": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Mutation.scheduleMessage": Policy(),
    "Mutation.updateScheduledMessage": Policy(),
    "Mutation.cancelScheduledMessage": Policy(),
    "Mutation.sendScheduledMessageNow": Policy(),
    "Mutation.saveDraft": Policy(kinds=NO_BOT),
    "Mutation.markRead": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Mutation.markDelivered": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Mutation.setTyping": Policy(kinds=EVERY_ACCOUNT, scope="messages:write"),
    "Mutation.setPresence": Policy(kinds=NO_BOT),
    "Mutation.adminSuspendUser": Policy(admin=True, confirmed=True),
    "Mutation.adminReinstateUser": Policy(admin=True, confirmed=True),
    "Mutation.adminEndSessions": Policy(admin=True, confirmed=True),
    "Mutation.adminGrantAdministrator": Policy(admin=True, confirmed=True),
    "Mutation.adminRevokeAdministrator": Policy(admin=True, confirmed=True),
    "Mutation.adminSetSignUpPolicy": Policy(admin=True, confirmed=True),
    "Mutation.adminCreateInvitation": Policy(admin=True, confirmed=True),
    "Mutation.adminRevokeInvitation": Policy(admin=True, confirmed=True),
    "Mutation.adminResolveReport": Policy(admin=True, confirmed=True),
    "Mutation.adminSetWordFilters": Policy(admin=True, confirmed=True),
    "Subscription.events": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Subscription.threadEvents": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Subscription.typing": Policy(kinds=EVERY_ACCOUNT, scope="messages:read"),
    "Subscription.presence": Policy(kinds=NO_BOT),
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
        policy, pace = POLICIES[f"{root.name}.{name}"], pace_of(f"{root.name}.{name}")
        if subscribing:
            if field.subscribe is None:
                raise RuntimeError(f"{root.name}.{name} cannot be subscribed to")
            field.subscribe = _paced(_guarded(field.subscribe, policy), pace, None)
        else:
            resolve = _guarded(field.resolve or default_field_resolver, policy)
            field.resolve = _paced(resolve, pace, _payload(field))


def _payload(field: GraphQLField) -> type | None:
    """Return the class of a mutation's payload, which has `errors`; None for any other field."""
    type_ = get_named_type(field.type)
    if not isinstance(type_, GraphQLObjectType) or "errors" not in type_.fields:
        return None
    payload: type = type_.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].origin
    return payload


def _paced(resolve: Callable[..., Any], pace: Pace, payload: type | None) -> Callable[..., Any]:
    def unhurried(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        refusal = too_fast(info.context, pace)
        if refusal is None:
            return resolve(source, info, **arguments)
        if payload is None:
            raise refusal
        log.info("mutation_refused", mutation=info.field_name, code=refusal.code)
        return payload(errors=[user_error(refusal)])

    return unhurried


def _guarded(resolve: Callable[..., Any], policy: Policy) -> Callable[..., Any]:
    if policy == _ANYBODY:
        return resolve

    def checked(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        context: Context = info.context
        viewer = context.viewer if policy.anonymous else context.signed_in
        if viewer is not None:
            _require(viewer, policy)
            if policy.confirmed or policy.admin:
                return _looked_up(
                    context, viewer, policy, lambda: resolve(source, info, **arguments)
                )
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


async def _looked_up(
    context: Context, viewer: Viewer, policy: Policy, go_on: Callable[[], Any]
) -> Any:
    await confirmation.require(
        context.services, viewer, confirmed=policy.confirmed, admin=policy.admin
    )
    result = go_on()
    return await result if isinstance(result, Awaitable) else result
