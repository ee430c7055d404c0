"""Databases to test on: every test that asks for one runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.hubbub import run_hubbub
from tests.parts.postgres import Postgres

FILE = "hubbub.db"
BACKENDS = ("sqlite", "postgresql")


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: the test runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / FILE}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=BACKENDS)
def migrated_database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with all tables and no rows: the test runs once on each kind."""
    return str(request.getfixturevalue(f"migrated_{request.param}_url"))


@pytest.fixture
def migrated_sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database with all tables and no rows."""
    for file in sqlite_template.glob(f"{FILE}*"):  # the write-ahead log too, should there be one
        shutil.copy(file, tmp_path)
    return f"sqlite:///{tmp_path / FILE}"


@pytest.fixture
def migrated_postgresql_url(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a PostgreSQL database with all tables and no rows."""

    def migrate(url: str) -> None:
        run_hubbub("migrate", directory=tmp_path_factory.mktemp("migrate"), HUBBUB_DATABASE_URL=url)

    # Copying a migrated database takes a tenth of migrating an empty one.
    name = postgres.create(template=postgres.template("migrated", migrate))
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated SQLite database, to be copied."""
    directory = tmp_path_factory.mktemp("migrated")
    run_hubbub("migrate", directory=directory, HUBBUB_DATABASE_URL=f"sqlite:///{directory / FILE}")
    return directory
