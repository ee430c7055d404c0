"""The wheel holds all that Hubbub needs, and what it holds runs without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.house.checkout import ROOT, packages
from tests.parts import record
from tests.parts.hubbub import StartHubbub, run_hubbub

UV = Path(sys.executable).parent / "uv"


def uv(*arguments: str | Path) -> None:
    """Run uv with the system's trust, as the Makefile does."""
    trust = {} if os.environ.get("SSL_CERT_FILE") else {"UV_SYSTEM_CERTS": "1"}
    done = subprocess.run(
        [UV, *arguments],
        cwd=ROOT,
        env=os.environ | trust,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(map(str, arguments))}: {done.stderr}")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made of the sdist, as `make wheel` makes it."""
    if not (ROOT / "web/graphiql/dist/index.html").is_file():
        record.missing("the GraphiQL page", "run the tests with `make test`, which builds it")
    if not UV.is_file():
        record.missing("uv", "run the tests with `make test`, which installs it")
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `hubbub` in an environment that holds the locked packages and the wheel alone."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    uv("venv", "--python", sys.executable, environment)
    into = ("--python", environment / "bin/python")
    uv("pip", "install", *into, "--require-hashes", "-r", "requirements/runtime.txt")
    uv("pip", "install", *into, "--no-deps", wheel)
    uv("pip", "check", *into)
    return environment / "bin/hubbub"


def test_the_wheel_holds_our_packages_and_their_files_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == packages()
    assert {
        "accounts/common_passwords.LICENSES.txt",
        "accounts/common_passwords.txt.gz",
        "notify/templates/letter.html",
        "notify/templates/letter.txt",
        "schema/schema.graphql",
        "server/_alembic/env.py",
        "server/_alembic/script.py.mako",
        "server/_graphiql/index.html",
    } <= names
    revisions = {path.name for path in (ROOT / "alembic/versions").glob("*.py")}
    assert {f"server/_alembic/versions/{name}" for name in revisions} <= names


@pytest.mark.slow
@pytest.mark.timeout(180)  # on a cold cache every locked package is fetched once more
def test_the_installed_wheel_migrates_prints_the_schema_and_serves(
    installed: Path, hubbub: StartHubbub, tmp_path: Path
):
    run_hubbub("migrate", directory=tmp_path, command=installed)
    printed = run_hubbub("schema", directory=tmp_path, command=installed).stdout
    assert printed.strip() == (ROOT / "schema/schema.graphql").read_text().strip()

    server = hubbub("serve", command=installed)
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.get("/healthz").status_code == 200
        page = client.get("/graphiql/")
        assert page.status_code == 200
        assert "GraphiQL" in page.text


@pytest.mark.slow
def test_a_build_without_the_page_says_what_to_run(tmp_path: Path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "LICENSE"):
        (checkout / name).write_bytes((ROOT / name).read_bytes())
    (checkout / "README.md").touch()
    with pytest.raises(RuntimeError, match="Run `make wheel`"):
        uv("build", "--no-build-isolation", "--python", sys.executable, checkout)
