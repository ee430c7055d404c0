"""What every table shares: metadata, column types, keys."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import sqlalchemy as sa
import uuid_utils.compat
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeDecorator, UserDefinedType

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Names are spelled out so that a migration can drop what it created, on both databases.
metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite, which has no time zones, stores it without one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone is ambiguous")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def moment_to_sqlite(moment: datetime) -> str:
    """Return a moment in UTC as `UtcDateTime` stores it on SQLite; for the driver by itself."""
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


def moment_from_sqlite(text: str) -> datetime:
    """Return the moment that `UtcDateTime` stored on SQLite."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def sqlite_reader(wanted: Sequence[sa.Column[Any]]) -> Callable[[Sequence[Any]], list[Any]]:
    """Return what makes values of these columns out of what the driver by itself has read."""
    readers = [_reader(column.type) for column in wanted]

    def read(row: Sequence[Any]) -> list[Any]:
        return [
            value if reader is None or value is None else reader(value)
            for reader, value in zip(readers, row, strict=True)
        ]

    return read


def _reader(type_: sa.types.TypeEngine[Any]) -> Callable[[Any], Any] | None:
    if isinstance(type_, sa.Uuid):
        return UUID
    if isinstance(type_, UtcDateTime):
        return moment_from_sqlite
    if isinstance(type_, sa.JSON):
        return orjson.loads
    return bool if isinstance(type_, sa.Boolean) else None


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's `xid8`; an unused integer on SQLite, which has one writer and needs none."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "XID8"


# SQLAlchemy does not know the type by itself when it reads a table's columns back.
PGDialect.ischema_names = {**PGDialect.ischema_names, "xid8": TransactionId}


@compiles(TransactionId, "sqlite")
def _transaction_id_on_sqlite(*_: Any, **__: Any) -> str:
    return "BIGINT"


class current_transaction_id(sa.sql.functions.FunctionElement[int]):  # noqa: N801
    """The id of the writing transaction on PostgreSQL, NULL on SQLite."""

    inherit_cache = True
    type = TransactionId()


@compiles(current_transaction_id)
def _current_transaction_id(*_: Any, **__: Any) -> str:
    return "pg_current_xact_id()"


@compiles(current_transaction_id, "sqlite")
def _no_transaction_id(_: object, __: SQLCompiler, **___: Any) -> str:
    return "NULL"


# SQLite gives an automatic number only to a column declared INTEGER.
BigIdentity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def new_key() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562 §5.7): keys made later sort later."""
    return uuid_utils.compat.uuid7()


def columns(table: sa.Table, row_type: "type[DataclassInstance]") -> Sequence[sa.Column[Any]]:
    """Return the table's columns in the order of a row dataclass's fields."""
    return [table.c[field.name] for field in fields(row_type)]
