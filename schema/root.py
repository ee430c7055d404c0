"""The three root types: what the schema offers, each field one call."""

from collections.abc import AsyncGenerator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import strawberry

from models.errors import InvalidInput
from schema import bots as bot_fields
from schema import chats as chat_fields
from schema import confirmation as confirmation_fields
from schema import deletions as deletion_fields
from schema import emails as email_fields
from schema import exports as export_fields
from schema import guests as guest_fields
from schema import log_ins as log_in_fields
from schema import members as member_fields
from schema import messages as message_fields
from schema import passkeys as passkey_fields
from schema import passwords as password_fields
from schema import profiles as profile_fields
from schema import reactions as reaction_fields
from schema import receipts as receipt_fields
from schema import reports as report_fields
from schema import second_factors as factor_fields
from schema import sessions as session_fields
from schema import settings as setting_fields
from schema import typing as typing_fields
from schema import users as user_fields
from schema import viewer as viewer_fields
from schema.connections import MAX_PAGE
from schema.context import Info
from schema.events import Event, subscribe_events
from schema.ids import Kind, decode, decode_message, kind_of
from schema.node import Node
from schema.server_info import Server, server_info

_IDS = strawberry.argument(description=f"The ids, {MAX_PAGE} at most.")
_ID = strawberry.argument(description="The id.")


def _version() -> str:
    try:
        return version("hubbub")
    except PackageNotFoundError:
        return "unknown"


_SERVER = server_info(_version())


def _server() -> Server:
    return _SERVER


async def _node(info: Info, id: Annotated[strawberry.ID, _ID]) -> Node | None:
    return (await _nodes(info, [id]))[0]


async def _nodes(info: Info, ids: Annotated[list[strawberry.ID], _IDS]) -> list[Node | None]:
    _ = info.context.signed_in
    if len(ids) > MAX_PAGE:
        raise InvalidInput(f"At most {MAX_PAGE} ids can be asked for at once.", path=["ids"])
    by_kind: dict[Kind, list[strawberry.ID]] = {}
    for id_ in ids:
        by_kind.setdefault(kind_of(id_), []).append(id_)
    found: dict[strawberry.ID, Node | None] = {}
    for kind, wanted in by_kind.items():
        found.update(zip(wanted, await _of_kind(info, kind, wanted), strict=True))
    return [found[id_] for id_ in ids]


async def _of_kind(info: Info, kind: Kind, ids: Sequence[strawberry.ID]) -> Sequence[Node | None]:
    context = info.context
    if kind is Kind.USER:
        return await user_fields.visible_users(context, [decode(kind, id_) for id_ in ids])
    if kind is Kind.CHAT:
        return await chat_fields.readable_chats(context, [decode(kind, id_) for id_ in ids])
    if kind is Kind.MESSAGE:
        return await message_fields.readable_messages(context, [decode_message(id_) for id_ in ids])
    if kind is Kind.MEMBERSHIP:
        return await member_fields.readable_memberships(context, [decode(kind, id_) for id_ in ids])
    return [None] * len(ids)


@strawberry.type(description="What can be asked.")
class Query:
    viewer: viewer_fields.Viewer | None = strawberry.field(
        resolver=viewer_fields.viewer, description="The signed-in person; null when nobody is."
    )
    node: Node | None = strawberry.field(
        resolver=_node, description="The thing with this id, if the viewer may see it."
    )
    nodes: list[Node | None] = strawberry.field(
        resolver=_nodes,
        description="The things with these ids, in their order; null for what is not there.",
    )
    user: user_fields.User | None = strawberry.field(
        resolver=user_fields.user,
        description="The person with this handle, if the viewer may see them.",
    )
    users: user_fields.UserConnection = strawberry.field(
        resolver=user_fields.search_users,
        description="People of whose handle or display name a word begins so, in the order of "
        "these words. Who hides is not among them.",
    )
    chat: chat_fields.Chat | None = strawberry.field(
        resolver=chat_fields.chat, description="A chat that the viewer is in."
    )
    server: Server = strawberry.field(
        resolver=_server, description="The server itself; needs no session."
    )


@strawberry.type(description="What can be done. Each answers with what changed, or with `errors`.")
class Mutation:
    register: session_fields.AuthPayload = strawberry.mutation(
        resolver=session_fields.register, description="Create a person and sign them in."
    )
    log_in: session_fields.LogInPayload = strawberry.mutation(
        resolver=session_fields.log_in, description="Open a session."
    )
    complete_log_in: session_fields.LogInPayload = strawberry.mutation(
        resolver=log_in_fields.complete_log_in,
        description="Open a session with a challenge of `logIn` and a second factor.",
    )
    begin_passkey_log_in: passkey_fields.BeginPasskeyLogInPayload = strawberry.mutation(
        resolver=passkey_fields.begin_passkey_log_in,
        description="Ask for a passkey, whoever's it is: neither handle nor password is needed.",
    )
    finish_passkey_log_in: session_fields.LogInPayload = strawberry.mutation(
        resolver=log_in_fields.finish_passkey_log_in,
        description="Open a session with a passkey and nothing else.",
    )
    begin_totp: factor_fields.BeginTotpPayload = strawberry.mutation(
        resolver=factor_fields.begin_totp,
        description="Make a secret for an authenticator app. Nothing is asked for until "
        "`confirmTotp`.",
    )
    confirm_totp: factor_fields.ConfirmTotpPayload = strawberry.mutation(
        resolver=factor_fields.confirm_totp,
        description="Finish setting up the authenticator app: log-ins ask for its codes from now "
        "on.",
    )
    disable_totp: factor_fields.DisableTotpPayload = strawberry.mutation(
        resolver=factor_fields.disable_totp, description="Do without the authenticator app again."
    )
    regenerate_recovery_codes: factor_fields.RegenerateRecoveryCodesPayload = strawberry.mutation(
        resolver=factor_fields.regenerate_recovery_codes,
        description="Make new recovery codes in place of the old ones.",
    )
    begin_passkey_registration: passkey_fields.BeginPasskeyRegistrationPayload = (
        strawberry.mutation(
            resolver=passkey_fields.begin_passkey_registration,
            description="Begin to register a passkey for the viewer's account.",
        )
    )
    finish_passkey_registration: passkey_fields.FinishPasskeyRegistrationPayload = (
        strawberry.mutation(
            resolver=passkey_fields.finish_passkey_registration,
            description="Register a passkey: log-ins with the password ask for a second factor "
            "from now on, and those with the passkey for nothing else.",
        )
    )
    rename_passkey: passkey_fields.RenamePasskeyPayload = strawberry.mutation(
        resolver=passkey_fields.rename_passkey, description="Give a passkey another name."
    )
    remove_passkey: factor_fields.RemovePasskeyPayload = strawberry.mutation(
        resolver=factor_fields.remove_passkey, description="Forget a passkey."
    )
    begin_passkey_confirmation: confirmation_fields.BeginPasskeyConfirmationPayload = (
        strawberry.mutation(
            resolver=confirmation_fields.begin_passkey_confirmation,
            description="Ask for one of the viewer's passkeys, for `confirmIdentity`.",
        )
    )
    confirm_identity: confirmation_fields.ConfirmIdentityPayload = strawberry.mutation(
        resolver=confirmation_fields.confirm_identity,
        description="Prove again who one is, for what answers `CONFIRMATION_REQUIRED`.",
    )
    refresh_session: session_fields.AuthPayload = strawberry.mutation(
        resolver=session_fields.refresh_session,
        description="Swap a refresh token for fresh tokens. Each works once; using an old one "
        "again ends the session.",
    )
    log_out: session_fields.LogOutPayload = strawberry.mutation(
        resolver=session_fields.log_out, description="End the session of this request."
    )
    revoke_session: session_fields.RevokeSessionPayload = strawberry.mutation(
        resolver=session_fields.revoke_session,
        description="End a session of one's own, such as that of a device that was lost.",
    )
    revoke_other_sessions: session_fields.RevokeOtherSessionsPayload = strawberry.mutation(
        resolver=session_fields.revoke_other_sessions,
        description="End all of one's sessions but that of this request.",
    )
    join_as_guest: session_fields.AuthPayload = strawberry.mutation(
        resolver=guest_fields.join_as_guest,
        description="Come into one chat by a guest link, without an account.",
    )
    request_data_export: export_fields.RequestDataExportPayload = strawberry.mutation(
        resolver=export_fields.request_data_export,
        description="Ask for a file of all that is one's own; one at a time, and three a day.",
    )
    delete_account: deletion_fields.DeleteAccountPayload = strawberry.mutation(
        resolver=deletion_fields.delete_account,
        description="Ask for one's account to be deleted, after a waiting time. All sessions end.",
    )
    cancel_account_deletion: deletion_fields.CancelAccountDeletionPayload = strawberry.mutation(
        resolver=deletion_fields.cancel_account_deletion,
        description="Keep one's account after all, within the waiting time.",
    )
    update_profile: profile_fields.UpdateProfilePayload = strawberry.mutation(
        resolver=profile_fields.update_profile, description="Change the viewer's profile."
    )
    change_handle: profile_fields.ChangeHandlePayload = strawberry.mutation(
        resolver=profile_fields.change_handle,
        description="Take another handle. The one before stays the viewer's for a while, unused. "
        "Asks for a confirmed session.",
    )
    update_settings: setting_fields.UpdateSettingsPayload = strawberry.mutation(
        resolver=setting_fields.update_settings,
        description="Say who may reach the viewer, and who may find them.",
    )
    request_email_verification: email_fields.RequestEmailVerificationPayload = strawberry.mutation(
        resolver=email_fields.request_email_verification,
        description="Have another code mailed to the viewer's address; those before are void.",
    )
    verify_email: email_fields.VerifyEmailPayload = strawberry.mutation(
        resolver=email_fields.verify_email,
        description="Prove an address with the code that was mailed to it. Nobody has to be "
        "signed in: the mail may be read elsewhere.",
    )
    change_email: email_fields.ChangeEmailPayload = strawberry.mutation(
        resolver=email_fields.change_email,
        description="Have a code mailed to another address, which becomes the viewer's with it.",
    )
    restore_email: email_fields.RestoreEmailPayload = strawberry.mutation(
        resolver=email_fields.restore_email,
        description="Undo a change of address with the code that was mailed to the one before. "
        "All sessions end.",
    )
    request_password_reset: password_fields.RequestPasswordResetPayload = strawberry.mutation(
        resolver=password_fields.request_password_reset,
        description="Have a code mailed to who has forgotten their password. The answer is the "
        "same, whether there is such an account or not.",
    )
    reset_password: password_fields.ResetPasswordPayload = strawberry.mutation(
        resolver=password_fields.reset_password,
        description="Choose a new password with a mailed code. All sessions end.",
    )
    change_password: password_fields.ChangePasswordPayload = strawberry.mutation(
        resolver=password_fields.change_password,
        description="Choose another password. All other sessions end.",
    )
    create_chat: chat_fields.CreateChatPayload = strawberry.mutation(
        resolver=chat_fields.create_chat,
        description="Start a chat, or find the direct chat with somebody.",
    )
    update_chat: chat_fields.UpdateChatPayload = strawberry.mutation(
        resolver=chat_fields.update_chat,
        description="Give a group another title or description.",
    )
    add_members: member_fields.AddMembersPayload = strawberry.mutation(
        resolver=member_fields.add_members, description="Add people to a group."
    )
    remove_member: member_fields.RemoveMemberPayload = strawberry.mutation(
        resolver=member_fields.remove_member, description="Take somebody out of a group."
    )
    leave_chat: member_fields.LeaveChatPayload = strawberry.mutation(
        resolver=member_fields.leave_chat,
        description="Leave a group. If its owner leaves, the longest-standing admin, or else "
        "member, owns it.",
    )
    create_guest_link: guest_fields.CreateGuestLinkPayload = strawberry.mutation(
        resolver=guest_fields.create_guest_link,
        description="Open a way into a group for people without an account.",
    )
    revoke_guest_link: guest_fields.RevokeGuestLinkPayload = strawberry.mutation(
        resolver=guest_fields.revoke_guest_link,
        description="Close a guest link, and take out who came by it.",
    )
    create_bot: bot_fields.CreateBotPayload = strawberry.mutation(
        resolver=bot_fields.create_bot, description="Make an account for a program."
    )
    create_bot_token: bot_fields.CreateBotTokenPayload = strawberry.mutation(
        resolver=bot_fields.create_bot_token,
        description="Make a token that signs a bot of the viewer's in.",
    )
    revoke_bot_token: bot_fields.RevokeBotTokenPayload = strawberry.mutation(
        resolver=bot_fields.revoke_bot_token, description="End a bot's token, with its sockets."
    )
    delete_bot: bot_fields.DeleteBotPayload = strawberry.mutation(
        resolver=bot_fields.delete_bot,
        description="Close a bot for good. It leaves its groups; what it has written stays.",
    )
    report_user: report_fields.ReportUserPayload = strawberry.mutation(
        resolver=report_fields.report_user,
        description="Tell the administrators about somebody. Nobody else learns of it.",
    )
    send_message: message_fields.SendMessagePayload = strawberry.mutation(
        resolver=message_fields.send_message,
        description="Send a message. It is stored for good when this answers.",
    )
    edit_message: message_fields.EditMessagePayload = strawberry.mutation(
        resolver=message_fields.edit_message, description="Give one's own message another text."
    )
    delete_message: message_fields.DeleteMessagePayload = strawberry.mutation(
        resolver=message_fields.delete_message, description="Delete a message for everybody."
    )
    add_reaction: reaction_fields.AddReactionPayload = strawberry.mutation(
        resolver=reaction_fields.add_reaction, description="React to a message."
    )
    remove_reaction: reaction_fields.RemoveReactionPayload = strawberry.mutation(
        resolver=reaction_fields.remove_reaction, description="Take a reaction back."
    )
    mark_read: receipt_fields.MarkReadPayload = strawberry.mutation(
        resolver=receipt_fields.mark_read,
        description="Say how far the viewer has read. What is read was delivered.",
    )
    mark_delivered: receipt_fields.MarkDeliveredPayload = strawberry.mutation(
        resolver=receipt_fields.mark_delivered,
        description="Say which messages have reached a device of the viewer.",
    )
    set_typing: typing_fields.SetTypingPayload = strawberry.mutation(
        resolver=typing_fields.set_typing, description="Say that the viewer is typing, or stopped."
    )


@strawberry.type(description="What can be listened to, over `graphql-transport-ws`.")
class Subscription:
    events: AsyncGenerator[Event, None] = strawberry.subscription(
        resolver=subscribe_events,
        description="Everything durable in the viewer's chats, each chat's in order, with what "
        "concerns the viewer alone and how far people have got in reading: with `after` from there "
        "on, else from now on.",
    )
    typing: AsyncGenerator[typing_fields.TypingChanged, None] = strawberry.subscription(
        resolver=typing_fields.typing, description="Who types in a chat, the viewer aside."
    )
