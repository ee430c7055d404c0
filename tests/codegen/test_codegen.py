"""Programs typed by graphql-codegen and by Relay compile, and do not where they are wrong.

`tsc` fails too where a line that is marked `@ts-expect-error` would compile.
"""

import asyncio
import shutil

import pytest

from schema.engine import PUBLISHED
from tests.docs.pages import Page
from tests.parts.people import PASSWORD

PATIENCE = 60.0  # seconds; the generators take one or two
CODEGEN = ("@graphql-codegen/cli/esm/bin.js", "--config", "codegen.json")
RELAY = ("relay-compiler/cli.js",)
TSC = ("typescript/bin/tsc",)
SCALARS = '"scalars": { "Cursor": "string", "DateTime": "string", "UUID": "string" }'

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def run(tmp_path, node, generators):
    """A function that runs a program of npm's in the test's folder; returns its code and output."""
    (tmp_path / "node_modules").symlink_to(generators / "node_modules")
    shutil.copy(PUBLISHED, tmp_path / "schema.graphql")

    async def run(program, *arguments, **environment):
        process = await asyncio.create_subprocess_exec(
            node,
            tmp_path / "node_modules" / program,
            *arguments,
            cwd=tmp_path,
            env={"NO_COLOR": "1", "NO_PROXY": "127.0.0.1", **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode, output.decode()

    return run


@pytest.fixture
def project(tmp_path, generators):
    """A function that copies one of the projects into the test's folder."""

    def copy(name):
        shutil.copytree(generators / name, tmp_path, dirs_exist_ok=True)
        return tmp_path

    return copy


async def test_a_messenger_typed_by_graphql_codegen_compiles(run, project):
    project("client")
    assert (await run(*CODEGEN))[0] == 0
    assert await run(*TSC) == (0, "")


async def test_a_messenger_typed_by_relay_compiles(run, project):
    (project("relay") / "src/__generated__").mkdir()
    code, output = await run(*RELAY)
    assert code == 0, output
    assert "warn" not in output.lower(), output
    assert await run(*TSC) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("return event.message.reactions.map", "return event.messages.reactions.map"),
        ("case 'CursorAdvanced':", "case 'CursorMoved':"),
        ("  TOO_LONG: 'Shorten it.',", "  TOO_LARGE: 'Shorten it.',"),
        ("chatId: 'c', before: 'cursor'", "chatId: 'c', before: 7"),
        ("{ chatId: 'c', description: null }", "{ description: null }"),
    ],
)
async def test_a_mistake_in_a_typed_program_does_not_compile(run, project, right, wrong):
    program = project("client") / "src/messenger.ts"
    assert program.read_text().count(right) == 1
    program.write_text(program.read_text().replace(right, wrong))
    assert (await run(*CODEGEN))[0] == 0
    code, output = await run(*TSC)
    assert code != 0
    assert "src/messenger.ts" in output


@pytest.mark.parametrize("scalar", ["Cursor", "DateTime", "UUID"])
async def test_every_scalar_of_the_schema_has_to_be_mapped(run, project, scalar):
    config = project("client") / "codegen.json"
    assert SCALARS in config.read_text()
    config.write_text(config.read_text().replace(f'"{scalar}": "string"', '"Date": "string"'))
    code, output = await run(*CODEGEN)
    assert code != 0
    assert scalar in output


async def test_the_typed_program_of_the_documentation_compiles_and_runs(
    run, tmp_path, sqlite_server
):
    await sqlite_server.registered("ana")
    for name in ("codegen.json", "typed.ts"):
        (tmp_path / name).write_text(Page.of("clients.md").files()[name])
    (tmp_path / "package.json").write_text('{"type": "module"}')
    code, output = await run(*CODEGEN)
    assert code == 0, output
    options = "--strict --target es2022 --module nodenext --outDir built typed.ts"
    code, output = await run(*TSC, *options.split())
    assert code == 0, output
    signed_in = {"HUBBUB_URL": sqlite_server.url, "HANDLE": "ana", "PASSWORD": PASSWORD}
    code, output = await run("../built/typed.js", **signed_in)
    assert code == 0, output
    assert output.startswith("1 at 20")
    assert output.endswith("Z: Hello from TypeScript\n")
