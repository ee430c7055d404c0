"""The administrators' part of the schema; nobody else's schema has it."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Self
from uuid import UUID

import strawberry

from models import audit, sessions, sign_up, suspensions, users
from models.audit import Act
from models.users import UserKind as StoredKind
from resolvers import administration, invitations
from resolvers import audit as audit_use_cases
from resolvers import reports as report_use_cases
from resolvers import sign_up as sign_up_use_cases
from resolvers.services import utc_now
from schema.batching import batched
from schema.connections import (
    After,
    Connection,
    First,
    Page,
    connection,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page_size,
)
from schema.context import Info
from schema.ids import Kind, decode, encode
from schema.moments import moment
from schema.reported import Report, ReportConnection
from schema.server_info import SignUpPolicy
from schema.sessions import Session
from schema.users import User, UserKind
from schema.word_filters import WordFilter, server_word_filters

DEFAULT_PAGE = 50
SESSIONS_SHOWN = 20  # of each account

# Every act that is recorded, under its own name: a new one is in the schema by itself.
AuditAct: Any = strawberry.enum(  # type: ignore[call-overload]
    Enum(
        "AuditAct",
        {
            act.name: strawberry.enum_value(
                act.value, description=act.value.replace("_", " ").capitalize() + "."
            )
            for act in Act
        },
    ),
    description="What was done.",
)


@strawberry.type(description="Why somebody may not sign in.")
class Suspension:
    reason: str = strawberry.field(description="Why; other people do not see it.")
    suspended_at: datetime = strawberry.field(description="Since when.")
    until: datetime | None = strawberry.field(description="When it ends by itself; null if never.")


async def _sessions(objects: Sequence["AdminUser"], info: Info) -> list[list[Session]]:
    async with info.context.db.reading() as db:
        found = await sessions.live_of_many(
            db, [each.row.id for each in objects], utc_now(), limit=SESSIONS_SHOWN
        )
    return [[Session.of(row, each.user) for row in found[each.row.id]] for each in objects]


async def _suspensions(objects: Sequence["AdminUser"], info: Info) -> list[Suspension | None]:
    async with info.context.db.reading() as db:
        found = await suspensions.of(db, [each.row.id for each in objects])
    return [
        Suspension(reason=row.reason, suspended_at=row.suspended_at, until=row.until)
        if (row := found.get(each.row.id))
        else None
        for each in objects
    ]


@strawberry.type(description="An account, with what only administrators see of it.")
class AdminUser:
    user: User = strawberry.field(description="The account, as others see it.")
    email: str | None = strawberry.field(description="Its e-mail address.")
    is_administrator: bool = strawberry.field(description="Whether it administers this server.")
    suspended_at: datetime | None = strawberry.field(
        description="Since when it may not sign in; null if it may. A bot is suspended with its "
        "owner."
    )
    suspension: Suspension | None = batched(
        _suspensions, description="Why it may not sign in, if it was suspended itself."
    )
    sessions: list[Session] = batched(
        _sessions,
        description="The sessions that are open, the one last seen first, "
        f"{SESSIONS_SHOWN} at most.",
    )
    row: strawberry.Private[users.User]

    @classmethod
    def of(cls, row: users.User) -> Self:
        """Return an account as administrators see it."""
        return cls(
            user=User.of(row),
            email=row.email,
            is_administrator=row.is_admin,
            suspended_at=row.suspended_at,
            row=row,
        )


@strawberry.type(description="A page of accounts, by handle.")
class AdminUserConnection(Connection[AdminUser]):
    pass


@strawberry.input(description="Which accounts to list; every condition given must hold.")
class AdminUserFilter:
    kind: UserKind | None = strawberry.field(default=None, description="Only of this kind.")
    suspended: bool | None = strawberry.field(
        default=None, description="Only those that are suspended, or only those that are not."
    )


@strawberry.type(description="One detail of an act.")
class AuditDetail:
    name: str = strawberry.field(description="What it is.")
    value: str | None = strawberry.field(description="What it was.")


async def _actors(objects: Sequence["AuditEntry"], info: Info) -> list[User | None]:
    return await _people(info, [each.row.actor_id for each in objects])


async def _subjects(objects: Sequence["AuditEntry"], info: Info) -> list[User | None]:
    return await _people(info, [each.row.subject_id for each in objects])


async def _people(info: Info, ids: Sequence[UUID | None]) -> list[User | None]:
    async with info.context.db.reading() as db:
        rows = await users.by_ids(db, {id_ for id_ in ids if id_ is not None})
    return [User.of(rows[id_]) if id_ in rows else None for id_ in ids]


@strawberry.type(description="An act that bears on security: who, what, and from where.")
class AuditEntry:
    id: strawberry.ID = strawberry.field(description="Opaque and stable.")
    at: datetime = strawberry.field(description="When it was done.")
    act: AuditAct = strawberry.field(description="What was done.")
    actor: User | None = batched(
        _actors,
        description="Who did it; null for nobody who is known, the command line, or the server.",
    )
    subject: User | None = batched(_subjects, description="Whom it was done to, if not the actor.")
    address: str | None = strawberry.field(description="The address from which it was done.")
    user_agent: str | None = strawberry.field(description="What the client called itself.")
    details: list[AuditDetail] = strawberry.field(description="What else there is to say.")
    row: strawberry.Private[audit.Entry]

    @classmethod
    def of(cls, row: audit.Entry) -> Self:
        """Return an act as administrators see it."""
        return cls(
            id=strawberry.ID(encode(Kind.AUDIT_ENTRY, row.id)),
            at=row.at,
            act=AuditAct(row.act),
            address=row.address,
            user_agent=row.user_agent,
            details=[
                AuditDetail(name=name, value=None if value is None else str(value))
                for name, value in row.details.items()
            ],
            row=row,
        )


@strawberry.type(description="A page of the audit log, the newest first.")
class AuditEntryConnection(Connection[AuditEntry]):
    pass


@strawberry.input(description="Which acts to list; every condition given must hold.")
class AuditFilter:
    actor_id: strawberry.ID | None = strawberry.field(default=None, description="Done by whom.")
    subject_id: strawberry.ID | None = strawberry.field(default=None, description="Done to whom.")
    act: AuditAct | None = strawberry.field(default=None, description="What was done.")
    since: datetime | None = strawberry.field(default=None, description="Not before this moment.")
    until: datetime | None = strawberry.field(default=None, description="Before this moment.")


@strawberry.type(description="Leave to sign up where not everybody may.")
class Invitation:
    id: strawberry.ID = strawberry.field(description="Opaque and stable; it lets nobody in.")
    email: str | None = strawberry.field(
        description="The address that it is for; null for whoever has it."
    )
    max_uses: int = strawberry.field(description="How many may sign up with it.")
    uses: int = strawberry.field(description="How many have.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(description="When it ends.")

    @classmethod
    def of(cls, row: sign_up.Invitation) -> Self:
        """Return an invitation as administrators see it; its text is not kept."""
        return cls(
            id=strawberry.ID(encode(Kind.INVITATION, row.id)),
            email=row.email,
            max_uses=row.max_uses,
            uses=row.uses,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )


def _open_sockets(info: Info) -> int:
    return len(info.context.services.node.sockets)


async def _sign_up_policy(info: Info) -> SignUpPolicy:
    return SignUpPolicy((await sign_up_use_cases.policy(info.context.services)).value)


async def _invitations(info: Info) -> list[Invitation]:
    return [Invitation.of(row) for row in await invitations.usable(info.context.services)]


_SEARCH = strawberry.argument(
    description="How the handle or the display name starts, or a whole e-mail address."
)
_WHICH_ACCOUNTS = strawberry.argument(description="Which accounts to list.")
_WHICH_ACTS = strawberry.argument(description="Which acts to list.")
_RESOLVED = strawberry.argument(
    description="Only those that are closed, or only those that are not."
)


async def _users(
    info: Info,
    search: Annotated[str | None, _SEARCH] = None,
    filter: Annotated[AdminUserFilter | None, _WHICH_ACCOUNTS] = None,
    first: First = DEFAULT_PAGE,
    after: After = None,
) -> AdminUserConnection:
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    kind = filter.kind if filter else None
    rows = await administration.listed(
        info.context.services,
        search=search,
        kind=StoredKind[kind.name] if kind else None,
        suspended=filter.suspended if filter else None,
        after_handle=decode_cursor(after, parts=1, path="after")[0] if after is not None else None,
        limit=shown.fetch,
    )
    found: AdminUserConnection = connection(
        AdminUserConnection,
        rows,
        shown,
        node=AdminUser.of,
        cursor=lambda row: encode_cursor(row.handle),
        bounded_after=after is not None,
    )
    return found


async def _audit_log(
    info: Info,
    filter: Annotated[AuditFilter | None, _WHICH_ACTS] = None,
    first: First = DEFAULT_PAGE,
    after: After = None,
) -> AuditEntryConnection:
    asked = filter or AuditFilter()
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    rows = await audit_use_cases.page(
        info.context.services,
        actor_id=_user_id(asked.actor_id, "actorId"),
        subject_id=_user_id(asked.subject_id, "subjectId"),
        act=Act[asked.act.name] if asked.act else None,
        since=moment(asked.since, path="since"),
        until=moment(asked.until, path="until"),
        after=_key(after),
        limit=shown.fetch,
    )
    listed: AuditEntryConnection = _by_key(AuditEntryConnection, rows, shown, AuditEntry.of, after)
    return listed


async def _reports(
    info: Info,
    resolved: Annotated[bool | None, _RESOLVED] = None,
    first: First = DEFAULT_PAGE,
    after: After = None,
) -> ReportConnection:
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    rows = await report_use_cases.page(
        info.context.services, resolved=resolved, after=_key(after), limit=shown.fetch
    )
    listed: ReportConnection = _by_key(ReportConnection, rows, shown, Report.of, after)
    return listed


def _user_id(id: strawberry.ID | None, path: str) -> UUID | None:
    return None if id is None else decode(Kind.USER, id, path=path)


def _key(after: str | None) -> UUID | None:
    if after is None:
        return None
    try:
        return UUID(hex=decode_cursor(after, parts=1, path="after")[0])
    except ValueError as error:
        raise invalid_cursor("after") from error


def _by_key(type_: Any, rows: Sequence[Any], shown: Page, node: Any, after: str | None) -> Any:
    return connection(
        type_,
        rows,
        shown,
        node=node,
        cursor=lambda row: encode_cursor(row.id.hex),
        bounded_after=after is not None,
    )


@strawberry.type(description="What administrators alone may see.")
class Admin:
    open_sockets: int = strawberry.field(
        resolver=_open_sockets, description="How many sockets are open on this node."
    )
    users: AdminUserConnection = strawberry.field(
        resolver=_users, description="All accounts, by handle."
    )
    audit_log: AuditEntryConnection = strawberry.field(
        resolver=_audit_log, description="Every act that bears on security, the newest first."
    )
    reports: ReportConnection = strawberry.field(
        resolver=_reports, description="What people have told about others, the newest first."
    )
    word_filters: list[WordFilter] = strawberry.field(
        resolver=server_word_filters, description="What is not to be written anywhere."
    )
    sign_up_policy: SignUpPolicy = strawberry.field(
        resolver=_sign_up_policy, description="Who may register."
    )
    invitations: list[Invitation] = strawberry.field(
        resolver=_invitations,
        description=f"Those that can still be used, the newest first, {invitations.SHOWN} at most.",
    )


def admin() -> Admin:
    """Resolve `Query.admin`."""
    return Admin()
