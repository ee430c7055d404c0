"""What of every table is a person's own, for `resolvers/export_parts.py`.

Withheld is what would help a thief of the file more than its owner, and what says nothing that
another column does not say. A table that comes later gets its line here, or in `NOT_EXPORTED`: a
test compares both with the tables that there are.
"""

from models import personal
from models.audit import audit_log
from models.chats import chats
from models.deletions import account_deletions
from models.exports import exports
from models.external_identities import external_identities
from models.members import members
from models.messages import messages
from models.reactions import reactions
from models.sessions import sessions
from models.tickets import tickets
from models.users import users

_IN_CHATS = members.join(chats, chats.c.id == members.c.chat_id)
_OF_CHATS = {
    "chat_kind": chats.c.kind,
    "chat_title": chats.c.title,
    "chat_created_by": chats.c.created_by,
}

ACCOUNT = personal.holding(
    users.c.id, [users.c.id], withheld={"password_hash", "display_name_folded"}
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
    more=_OF_CHATS,
)
MESSAGES = personal.holding(
    messages.c.sender_id,
    [messages.c.client_message_id],
    withheld={"sender_id", "content_hash"},
)
REACTIONS = personal.holding(
    reactions.c.user_id,
    [reactions.c.chat_id, reactions.c.message_seq, reactions.c.emoji],
    withheld={"user_id"},
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
# From where others acted is theirs, or that of whoever tried.
ACTS_OF_OTHERS = personal.holding(
    audit_log.c.subject_id,
    [audit_log.c.id],
    withheld={"actor_id", "session_id", "address", "user_agent", "details", "subject_id"},
    where=audit_log.c.actor_id.is_distinct_from(audit_log.c.subject_id),
)

# Rows that go with an account. What is not here is in `KEPT`, or has an eraser of its own.
ERASED = [
    sessions.c.user_id,
    external_identities.c.user_id,
    exports.c.user_id,
    tickets.c.user_id,
]
# Columns that go on naming a deleted account, which has no name any more, with the reason.
KEPT = {
    "audit_log.actor_id": "the audit log is append-only: security outlives the account",
    "audit_log.subject_id": "as above",
    "chats.created_by": "the chat is the others'",
    "events.actor_id": "pruned with the log",
    "events.subject_id": "pruned with the log",
    "events.user_id": "pruned with the log",
    "messages.sender_id": "what was said to others stays with them; its sender is shown as nobody",
    "node_sessions.user_id": "gone as soon as the sockets are closed",
    "reactions.user_id": "counted, and shown as nobody's",
    "receipts.user_id": "of stays that have ended, shown to nobody",
}

# Columns that name a person and are in no part, with the reason.
NOT_EXPORTED = {
    "chats.created_by": "told with the memberships",
    "events.actor_id": "the log repeats for some days what the other tables say",
    "events.subject_id": "as above",
    "events.user_id": "as above",
    "node_sessions.user_id": "which sockets are open in this moment",
    "receipts.user_id": "told with the memberships",
    "tickets.user_id": "hashes of what was mailed, for minutes",
}
