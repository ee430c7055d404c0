"""What of every table is a person's own, for `resolvers/export_parts.py`.

Withheld is what would help a thief of the file more than its owner, and what says nothing that
another column does not say. A table that comes later gets its line here, or in `NOT_EXPORTED`: a
test compares both with the tables that there are.
"""

from models import personal
from models.audit import Act, audit_log
from models.bans import bans
from models.blocks import blocks
from models.bots import bots
from models.chats import chats
from models.deletions import account_deletions
from models.drafts import drafts
from models.exports import exports
from models.external_identities import external_identities
from models.folders import folders
from models.guests import guests
from models.hidden import hidden_messages
from models.join_requests import join_requests
from models.members import members
from models.mentions import mentions
from models.messages import AS_IT_IS_NOW, messages
from models.passkeys import passkeys
from models.polls import poll_votes
from models.presence import away_sessions, last_seen
from models.reactions import reactions
from models.recovery_codes import recovery_codes
from models.reports import reports
from models.scheduled import scheduled_messages
from models.sessions import sessions
from models.settings import settings
from models.suspensions import suspensions
from models.threads import thread_follows
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
# Present and past stays have an index each. Who is silenced in a direct chat is blocked there, of
# which nobody is told; elsewhere the chat shows it.
MEMBERSHIPS = personal.holding(
    members.c.user_id,
    [members.c.chat_id],
    withheld={"user_id", "silenced_until"},
    where=members.c.left_seq.is_(None),
    joined=_IN_CHATS,
    more=_OF_CHATS,
)
PAST_MEMBERSHIPS = personal.holding(
    members.c.user_id,
    [members.c.id],
    withheld={"user_id", "silenced_until"},
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
POLL_VOTES = personal.holding(
    poll_votes.c.user_id,
    [poll_votes.c.chat_id, poll_votes.c.message_seq, poll_votes.c.option],
    withheld={"user_id", "id"},
)
SCHEDULED_MESSAGES = personal.holding(
    scheduled_messages.c.user_id,
    [scheduled_messages.c.chat_id, scheduled_messages.c.send_at, scheduled_messages.c.id],
    withheld={"user_id", "content_hash", "due_at", "claimed_until", "attempts"},
)
DRAFTS = personal.holding(
    drafts.c.user_id,
    [drafts.c.chat_id, drafts.c.thread_root_seq],
    withheld={"user_id", "version"},
)
THREADS = personal.holding(
    thread_follows.c.user_id,
    [thread_follows.c.chat_id, thread_follows.c.root_seq],
    withheld={"user_id"},
)
BLOCKS = personal.holding(
    blocks.c.user_id, [blocks.c.user_id, blocks.c.blocked_id], withheld={"user_id"}
)
BANS = personal.holding(
    bans.c.user_id,
    [bans.c.id],
    # Why is for those who may ban.
    withheld={"id", "user_id", "banned_by", "reason"},
)
JOIN_REQUESTS = personal.holding(
    join_requests.c.user_id, [join_requests.c.id], withheld={"user_id", "link_id"}
)
FOLDERS = personal.holding(folders.c.user_id, [folders.c.id], withheld={"user_id"})
HIDDEN_MESSAGES = personal.holding(
    hidden_messages.c.user_id,
    [hidden_messages.c.chat_id, hidden_messages.c.message_seq],
    withheld={"user_id"},
)
LAST_SEEN = personal.holding(last_seen.c.user_id, [last_seen.c.user_id], withheld={"user_id"})
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
    # What was kept as evidence is what others have written.
    withheld={"reporter_id", "resolved_by", "note", "action", "evidence"},
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
_ABOUT_SOMEBODY = [
    Act.USER_REPORTED.value,
    Act.MESSAGE_REPORTED.value,
    Act.CHAT_REPORTED.value,
    Act.REPORT_RESOLVED.value,
]
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
    bans.c.user_id,
    join_requests.c.user_id,
    folders.c.user_id,
    scheduled_messages.c.user_id,
    drafts.c.user_id,
    mentions.c.user_id,
    thread_follows.c.user_id,
    hidden_messages.c.user_id,
    last_seen.c.user_id,
    away_sessions.c.user_id,
]
# Columns that go on naming a deleted account, which has no name any more, with the reason.
KEPT = {
    "audit_log.actor_id": "the audit log is append-only: security outlives the account",
    "audit_log.subject_id": "as above",
    "bans.banned_by": "the chat's, whoever has decided it",
    "chat_acts.actor_id": "append-only: what was done in a chat outlives the account",
    "chat_acts.subject_id": "as above",
    "chats.created_by": "the chat is the others'",
    "events.actor_id": "pruned with the log",
    "events.subject_id": "pruned with the log",
    "events.user_id": "pruned with the log",
    "guest_links.created_by": "the chat's, and lets nobody in any more",
    "incoming_webhooks.bot_id": "the chat's own bot, which goes with the webhook",
    "incoming_webhooks.created_by": "the chat's; it takes nothing any more",
    "webhooks.created_by": "the chats', whose others go on with it",
    "webhook_deliveries.actor_id": "the last fifty of each webhook, without any text",
    "webhook_deliveries.subject_id": "as above",
    "invitations.created_by": "the server's, and gone when it expires",
    "join_links.created_by": "the chat's, and lets nobody in any more",
    "messages.forward_sender_id": "what was forwarded stays with others, as what nobody said",
    "messages.subject_id": "the chat's history tells it of nobody",
    "messages.sender_id": "what was said to others stays with them; its sender is shown as nobody",
    "pinned_messages.pinned_by": "the chat's",
    "node_sessions.user_id": "gone as soon as the sockets are closed",
    "poll_votes.user_id": "counted, and shown as nobody's",
    "reactions.user_id": "counted, and shown as nobody's",
    "reports.reporter_id": "what administrators were told about somebody else",
    "reports.resolved_by": "as above",
    "reports.subject_id": "as above: a report outlives the account that it is about",
    "suspensions.suspended_by": "somebody else's suspension",
    "receipts.user_id": "of stays that have ended, shown to nobody",
}

# Columns that name a person and are in no part, with the reason.
NOT_EXPORTED = {
    "bans.banned_by": "who keeps somebody out is told in the chat, to who may do so too",
    "chat_acts.actor_id": "told in the chat, to who may do such things",
    "chat_acts.subject_id": "as above",
    "chats.created_by": "told with the memberships",
    "events.actor_id": "the log repeats for some days what the other tables say",
    "events.subject_id": "as above",
    "events.user_id": "as above",
    "away_sessions.user_id": "which device lies about unused in this moment",
    "incoming_webhooks.bot_id": "told with its owner's bots",
    "incoming_webhooks.created_by": "told by the chat, to those who manage it",
    "webhooks.created_by": "as above",
    "webhook_deliveries.actor_id": "repeats what the other tables say",
    "webhook_deliveries.subject_id": "as above",
    "blocks.blocked_id": "who blocks somebody is not told to them",
    "mentions.user_id": "what others say to one, told in the chat",
    "join_links.created_by": "told by the chat, to who may invite into it",
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
