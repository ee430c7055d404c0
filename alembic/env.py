"""Alembic's environment: runs migrations on the connection that Hubbub hands over."""

from alembic import context

import models.audit
import models.bots
import models.chats
import models.deletions
import models.edits
import models.events
import models.exports
import models.external_identities
import models.folders
import models.guests
import models.handles
import models.hidden
import models.leases
import models.log_state
import models.mails
import models.members
import models.messages
import models.passkeys
import models.pins
import models.recovery_codes
import models.reports
import models.retention
import models.search
import models.sessions
import models.settings
import models.sign_up
import models.signing_keys
import models.suspensions
import models.tickets
import models.totp
import models.user_words
import models.users
import models.verified_emails  # noqa: F401  (each import registers its table)
from models.base import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    compare_type=True,
    # SQLite cannot alter a table in place: Alembic copies it.
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
