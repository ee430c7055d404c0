"""`docs/configuration.md` says what the code does: settings, commands, metrics, logs."""

import ast
import re
from itertools import chain

import pytest
from starlette.applications import Starlette
from typer.main import get_command

from server import run
from server.cli import app
from server.environment import load
from server.settings import Settings
from tests.docs.pages import Page, rows
from tests.house.checkout import ROOT

PAGE = Page.of("configuration.md")


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """A working directory without settings, and an environment without any."""
    import os

    for name in list(os.environ):
        if name.startswith("HUBBUB_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_has_every_setting_and_its_default():
    told = {name: default for name, default, _ in PAGE.table("Settings")}
    defaults = {
        f"HUBBUB_{name.upper()}": field.get_default(call_default_factory=True)
        for name, field in Settings.model_fields.items()
    }
    assert told == {name: written(default) for name, default in defaults.items()}


def written(default):
    """Return a default as one would set it."""
    if isinstance(default, list):
        return ",".join(map(str, default))
    return str(default or "").replace("True", "true")


def test_bounds_that_the_table_gives_are_those_of_the_settings():
    meanings = {name: meaning for name, _, meaning in PAGE.table("Settings")}
    for name in ("password_memory_kib", "log_events"):
        for bound in Settings.model_fields[name].metadata:
            limit = getattr(bound, "ge", None) or bound.le
            assert f"`{limit}`" in meanings[f"HUBBUB_{name.upper()}"]


def test_the_examples_are_accepted_and_set_every_name_that_they_mention(alone):
    examples = [block for block in PAGE.blocks() if "env" in block.attributes]
    assert [example.attributes["env"] for example in examples] == ["laptop", "cluster"]
    for example in examples:
        text = example.text.replace("/var/lib/hubbub", str(alone / "data"))
        (alone / ".env").write_text(text)
        names = re.findall(r"^HUBBUB_(\w+)=", text, re.MULTILINE)
        assert {name.lower() for name in names} <= load().model_fields_set


def test_the_table_has_every_command_and_its_options():
    def commands(command, name):
        group = getattr(command, "commands", {})
        for each, child in group.items():
            yield from commands(child, f"{name} {each}")
        if not group:
            options = [p for p in command.params if p.param_type_name == "option"]
            yield name, {opt for p in options for opt in p.opts}

    told = {
        name: set(re.findall(r"--[\w-]+", options)) for name, options, _ in PAGE.table("Commands")
    }
    assert told == dict(commands(get_command(app), "hubbub"))


async def test_the_table_has_every_metric_and_its_labels(sqlite_server):
    ana = await sqlite_server.registered("ana")
    text = (await ana.get("/metrics")).text
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    labels: dict[str, set[str]] = {name: set() for name in kinds if not name.endswith("_created")}
    for sample, given in re.findall(r"^(\w+?)(?:_bucket)?\{(.*)\} ", text, re.MULTILINE):
        if sample in labels:
            labels[sample] |= set(re.findall(r'(\w+)="', given)) - {"le"}
    told = {
        name: set(re.findall(r"\w+", cell))
        for name, cell, _ in rows(PAGE.tables("Health and metrics")[2])
    }
    assert told == labels


async def test_the_table_has_every_member_of_readyz(sqlite_server):
    ready = await sqlite_server.person().get("/readyz")
    told = [name for name, _ in rows(PAGE.tables("Health and metrics")[1])]
    assert told == list(ready.json())


def logged():
    """Yield every event that the code logs, with its level."""
    packages = ("accounts", "models", "realtime", "resolvers", "schema", "server")
    for file in chain.from_iterable((ROOT / package).rglob("*.py") for package in packages):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "log"
                and isinstance(node.args[0], ast.Constant)
            ):
                level = node.func.attr
                yield node.args[0].value, "error" if level == "exception" else level


def test_the_table_has_every_event_of_the_log_and_its_level():
    told = {
        event: level for cell, level, _ in PAGE.table("Logs") for event in re.findall(r"\w+", cell)
    }
    assert told.pop("request") == "info, debug"  # chosen by the status, in server/middleware.py
    assert told == dict(logged())


def test_a_connection_that_nobody_uses_outlasts_those_that_nginx_keeps():
    kept = run.configuration(Starlette()).timeout_keep_alive
    nginx = 60  # its `keepalive_timeout` of upstreams
    assert kept > nginx
    assert f"stays open for {kept} seconds, longer than nginx" in PAGE.path.read_text()
