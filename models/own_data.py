"""What of every table is a person's own, for `resolvers/export_parts.py`.

Withheld is what would help a thief of the file more than its owner, and what says nothing that
another column does not say. A table that comes later gets its line here, or in `NOT_EXPORTED`: a
test compares both with the tables that there are.
"""

from models import personal
from models.audit import Act, audit_log
from models.blocks import blocks
from models.bots import bots
from models.chats import chats
from models.deletions import account_deletions
from models.exports import exports
from models.external_identities import external_identities
from models.guests import guests
from models.hidden import hidden_messages
from models.members import members
from models.messages import AS_IT_IS_NOW, messages
from models.passkeys import passkeys
from models.reactions import reactions
from models.recovery_codes import recovery_codes
from models.reports import reports
from models.sessions import sessions
from models.settings import settings
from models.suspensions import suspensions
from models.tickets import tickets
from models.totp import totp
from models.users import users
from models.verified_emails import verified_emails

_IN_CHATS = members.join(chats, chats.c.id == members.c.chat_id)
# Of a chat that somebody has left, what cannot have changed since: its title now is its members'.
_OF_PAST_CHATS = {"chat_kind": chats.c.kind, "chat_created_by": chats.c.created_by}
_OF_CHATS = {**_OF_PAST_CHATS, "chat_title": chats.c.title}

ACCOUNT = personal.holding(users.c.id, [users.c.id], withheld={"password_hash"})
SETTINGS = personal.holding(settings.c.user_id, [settings.c.user_id], withheld={"user_id"})
# The address itself is told with the account.
VERIFIED_EMAIL = personal.holding(
    verified_emails.c.user_id, [verified_emails.c.user_id], withheld={"user_id", "key"}
)
SESSIONS = personal.holding(
    sessions.c.user_id,
    [sessions.c.id],
    withheld={"refresh_hash", "previous_refresh_hash", "user_id"},
)
EXTERNAL_IDENTITIES = personal.holding(
    external_identities.c.user_id,
    [external_identities.c.issuer, external_identities.c.subject],
    withheld={"user_id", "claims_at"},
)
# Present and past stays have an index each.
MEMBERSHIPS = personal.holding(
    members.c.user_id,
    [members.c.chat_id],
    withheld={"user_id"},
    where=members.c.left_seq.is_(None),
    joined=_IN_CHATS,
    more=_OF_CHATS,
)
PAST_MEMBERSHIPS = personal.holding(
    members.c.user_id,
    [members.c.id],
    withheld={"user_id"},
    where=members.c.left_seq.is_not(None),
    joined=_IN_CHATS,
    more=_OF_PAST_CHATS,
)
MESSAGES = personal.holding(
    messages.c.sender_id,
    [messages.c.client_message_id],
    withheld={"sender_id", "content_hash"},
    instead=AS_IT_IS_NOW,
)
REACTIONS = personal.holding(
    reactions.c.user_id,
    [reactions.c.chat_id, reactions.c.message_seq, reactions.c.emoji],
    withheld={"user_id"},
)
BLOCKS = personal.holding(
    blocks.c.user_id, [blocks.c.user_id, blocks.c.blocked_id], withheld={"user_id"}
)
HIDDEN_MESSAGES = personal.holding(
    hidden_messages.c.user_id,
    [hidden_messages.c.chat_id, hidden_messages.c.message_seq],
    withheld={"user_id"},
)
PASSKEYS = personal.holding(
    passkeys.c.user_id,
    [passkeys.c.id],
    withheld={"user_id", "credential_id", "public_key", "sign_count"},
)
TOTP = personal.holding(
    totp.c.user_id, [totp.c.user_id], withheld={"user_id", "sealed_secret", "last_step"}
)
BOTS = personal.holding(
    bots.c.owner_id,
    [bots.c.user_id],
    withheld={"owner_id"},
    joined=bots.join(users, users.c.id == bots.c.user_id),
    more={"handle": users.c.handle, "display_name": users.c.display_name},
)
BOT = bots.c.user_id
REPORTS = personal.holding(
    reports.c.reporter_id,
    [reports.c.id],
    withheld={"reporter_id", "resolved_by", "note"},
)
SUSPENSION = personal.holding(
    suspensions.c.user_id, [suspensions.c.user_id], withheld={"user_id", "suspended_by"}
)
EXPORTS = personal.holding(
    exports.c.user_id,
    [exports.c.id],
    withheld={"user_id", "progress", "attempts", "claim", "claimed_until"},
)
DELETION = personal.holding(
    account_deletions.c.user_id,
    [account_deletions.c.user_id],
    withheld={"begun_at", "claimed_until", "user_id"},
)
ACTS = personal.holding(
    audit_log.c.actor_id,
    [audit_log.c.id],
    withheld={"actor_id"},
)
# What others tell the administrators about somebody is not for them, not even that they did.
_ABOUT_SOMEBODY = [Act.USER_REPORTED.value, Act.REPORT_RESOLVED.value]
# From where others acted is theirs, or that of whoever tried.
ACTS_OF_OTHERS = personal.holding(
    audit_log.c.subject_id,
    [audit_log.c.id],
    withheld={"actor_id", "session_id", "address", "user_agent", "details", "subject_id"},
    where=audit_log.c.actor_id.is_distinct_from(audit_log.c.subject_id)
    & audit_log.c.act.not_in(_ABOUT_SOMEBODY),
)

# Rows that go with an account. What is not here is in `KEPT`, or has an eraser of its own.
ERASED = [
    sessions.c.user_id,
    guests.c.user_id,
    passkeys.c.user_id,
    recovery_codes.c.user_id,
    suspensions.c.user_id,
    totp.c.user_id,
    external_identities.c.user_id,
    exports.c.user_id,
    tickets.c.user_id,
    settings.c.user_id,
    verified_emails.c.user_id,
    blocks.c.user_id,
    blocks.c.blocked_id,
    hidden_messages.c.user_id,
]
# Columns that go on naming a deleted account, which has no name any more, with the reason.
KEPT = {
    "audit_log.actor_id": "the audit log is append-only: security outlives the account",
    "audit_log.subject_id": "as above",
    "chats.created_by": "the chat is the others'",
    "events.actor_id": "pruned with the log",
    "events.subject_id": "pruned with the log",
    "events.user_id": "pruned with the log",
    "guest_links.created_by": "the chat's, and lets nobody in any more",
    "invitations.created_by": "the server's, and gone when it expires",
    "messages.forward_sender_id": "what was forwarded stays with others, as what nobody said",
    "messages.subject_id": "the chat's history tells it of nobody",
    "messages.sender_id": "what was said to others stays with them; its sender is shown as nobody",
    "pinned_messages.pinned_by": "the chat's",
    "node_sessions.user_id": "gone as soon as the sockets are closed",
    "reactions.user_id": "counted, and shown as nobody's",
    "reports.reporter_id": "what administrators were told about somebody else",
    "reports.resolved_by": "as above",
    "reports.subject_id": "as above: a report outlives the account that it is about",
    "suspensions.suspended_by": "somebody else's suspension",
    "receipts.user_id": "of stays that have ended, shown to nobody",
}

# Columns that name a person and are in no part, with the reason.
NOT_EXPORTED = {
    "chats.created_by": "told with the memberships",
    "events.actor_id": "the log repeats for some days what the other tables say",
    "events.subject_id": "as above",
    "events.user_id": "as above",
    "blocks.blocked_id": "who blocks somebody is not told to them",
    "messages.forward_sender_id": "what others say of what one has said",
    "messages.subject_id": "told in the chat, by others",
    "bots.user_id": "told with its owner's bots",
    "guest_links.created_by": "told by the chat, to its members",
    "guests.user_id": "guests have no exports",
    "handles.user_id": "hashes of handles; the one in use is told with the account",
    "invitations.created_by": "what an administrator did, told with their acts",
    "pinned_messages.pinned_by": "told by the chat, to its members",
    "recovery_codes.user_id": "hashes of codes that are shown once",
    "reports.resolved_by": "what an administrator did, told with their acts",
    "reports.subject_id": "who was told of is not told by whom, and of what",
    "suspensions.suspended_by": "what an administrator did, told with their acts",
    "node_sessions.user_id": "which sockets are open in this moment",
    "receipts.user_id": "told with the memberships",
    "tickets.user_id": "hashes of what was mailed, for minutes",
    "user_words.user_id": "the names of the account again, cut up for the search",
}
