"""Settings: right ones are taken, wrong ones refused with a sentence that says what to set."""

import sys

import pytest

from server import settings as module
from server.environment import load, misspelt
from server.settings import Settings, SettingsError
from tests.parts.hubbub import run_hubbub

SECRET = "s" * 32


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No settings but the test's own."""
    import os

    for name in list(os.environ):
        if name.startswith("HUBBUB_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_without_settings_everything_is_embedded_and_the_secret_is_kept(tmp_path):
    first, second = load(), load()
    assert first.database_url == f"sqlite:///{tmp_path / 'data' / 'hubbub.db'}"
    assert (first.host, first.port, first.bus_url) == ("127.0.0.1", 8000, "memory://")
    assert len(first.secret_key) >= module.MIN_SECRET
    assert first.secret_key == second.secret_key
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o077 == 0


def test_a_node_without_a_name_gets_another_one_at_each_start(monkeypatch):
    assert load().node_id != load().node_id
    assert module.NODE_ID.fullmatch(load().node_id)
    monkeypatch.setenv("HUBBUB_NODE_ID", "web-1.example.org")
    assert load().node_id == "web-1.example.org"


def test_settings_may_stand_in_a_file(tmp_path):
    (tmp_path / ".env").write_text("HUBBUB_PORT=9000\nSOMETHING_ELSE=1\n")
    assert load().port == 9000


def test_the_public_address_is_this_machine_unless_it_is_set(monkeypatch):
    monkeypatch.setenv("HUBBUB_PORT", "9000")
    assert load().public_url == "http://localhost:9000"
    monkeypatch.setenv("HUBBUB_PUBLIC_URL", " https://API.example.org/ ")
    assert load().public_url == "https://api.example.org"


@pytest.mark.parametrize(
    ("domain", "good"),
    [("api.example.org", True), ("example.org", True), ("pi.example.org", False), ("a.b", False)],
)
def test_passkeys_are_for_the_domain_of_the_public_address_or_one_above_it(
    monkeypatch, domain, good
):
    monkeypatch.setenv("HUBBUB_PUBLIC_URL", "https://api.example.org")
    monkeypatch.setenv("HUBBUB_PASSKEY_DOMAIN", domain)
    if good:
        assert load().passkey_domain == domain
    else:
        with pytest.raises(SettingsError, match="is not within it"):
            load()


def test_origins_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("HUBBUB_ALLOWED_ORIGINS", "https://a.example, https://b.example/")
    assert load().allowed_origins == ["https://a.example", "https://b.example"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("HUBBUB_PORT", "eighty", "HUBBUB_PORT is wrong"),
        ("HUBBUB_PORT", "70000", "HUBBUB_PORT is wrong"),
        ("HUBBUB_DATABASE_URL", "mysql://x/y", "use sqlite:///"),
        ("HUBBUB_BUS_URL", "amqp://x", "use memory://"),
        ("HUBBUB_PUBLIC_URL", "chat.example.org", "write an address without a path"),
        ("HUBBUB_PUBLIC_URL", "https://chat.example.org/chat", "write an address without a path"),
        ("HUBBUB_PUBLIC_URL", "https://me@chat.example.org", "write an address without a path"),
        ("HUBBUB_PUBLIC_URL", "ftp://chat.example.org", "write an address without a path"),
        ("HUBBUB_PASSKEY_DOMAIN", "example.org", "HUBBUB_PASSKEY_DOMAIN is wrong: localhost"),
        ("HUBBUB_SMTP_URL", "mail.example.org", "use smtp://"),
        ("HUBBUB_SMTP_URL", "smtp://u:secret@mail.example.org:x", "it is not a URL"),
        ("HUBBUB_SMTP_URL", "smtp://u:secret@h?tls=no", "the only option is ?starttls="),
        ("HUBBUB_SMTP_URL", "smtp://mail.example.org", "HUBBUB_MAIL_FROM is required"),
        ("HUBBUB_MAIL_FROM", "Example Chat", "write it as: Chat <chat@example.org>"),
        ("HUBBUB_MAIL_FROM", "a@example.org\nBcc: b@example.org", "write it as: Chat"),
        ("HUBBUB_CLIENT_URL", "chat.example.org", "write the client's address"),
        ("HUBBUB_CLIENT_URL", "https://chat.example.org/#x", "write the client's address"),
        ("HUBBUB_CLIENT_URL", "javascript://x", "write the client's address"),
        ("HUBBUB_SERVICE_NAME", "Chat\nBcc: x", "use letters on one line"),
        ("HUBBUB_SERVICE_NAME", "  ", "use letters on one line"),
        ("HUBBUB_PASSWORD_LENGTH", "7", "HUBBUB_PASSWORD_LENGTH is wrong"),
        ("HUBBUB_PASSWORD_LENGTH", "65", "HUBBUB_PASSWORD_LENGTH is wrong"),
        ("HUBBUB_NODE_ID", "node one", "at most 63 letters"),
        ("HUBBUB_NODE_ID", "-", "at most 63 letters"),
        ("HUBBUB_NODE_ID", "n" * 64, "at most 63 letters"),
        ("HUBBUB_STORAGE_URL", "ftp://x", "use file://"),
        ("HUBBUB_SECRET_KEY", "short", "at least 32 characters"),
        ("HUBBUB_ALLOWED_ORIGINS", "chat.example.org", "is not an origin"),
        ("HUBBUB_ALLOWED_ORIGINS", "https://chat.example.org/app", "is not an origin"),
        ("HUBBUB_LOG_FORMAT", "xml", "HUBBUB_LOG_FORMAT is wrong"),
        ("HUBBUB_DATABASE_URL", "postgresql://localhost/x", "HUBBUB_SECRET_KEY is required"),
    ],
)
def test_a_wrong_setting_is_refused_with_a_sentence(monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        load()
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_kafka_without_its_package_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setenv("HUBBUB_BUS_URL", "kafka://broker.example.org:9092")
    assert load().bus_url == "kafka://broker.example.org:9092"
    monkeypatch.setitem(sys.modules, "aiokafka", None)  # how Python marks what cannot be imported
    with pytest.raises(SettingsError, match=r"HUBBUB_BUS_URL is wrong: .*hubbub\[kafka\]"):
        load()


def test_a_refused_secret_is_not_shown(monkeypatch):
    monkeypatch.setenv("HUBBUB_SECRET_KEY", "hunter2")
    with pytest.raises(SettingsError) as refusal:
        load()
    assert "hunter2" not in str(refusal.value)


def test_the_password_of_the_mail_server_is_not_shown(monkeypatch):
    monkeypatch.setenv("HUBBUB_MAIL_FROM", "Chat <chat@example.org>")
    monkeypatch.setenv("HUBBUB_SMTP_URL", "smtp://chat:very-secret@mail.example.org")
    assert "very-secret" not in repr(load())
    monkeypatch.setenv("HUBBUB_SMTP_URL", "smtp://chat:very-secret@mail.example.org/x")
    with pytest.raises(SettingsError) as refused:
        load()
    assert "very-secret" not in str(refused.value)


def test_a_data_directory_that_cannot_be_made_is_refused(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HUBBUB_DATA_DIR", str(tmp_path / "file" / "data"))
    with pytest.raises(SettingsError, match="HUBBUB_DATA_DIR is wrong"):
        load()


def test_a_misspelt_setting_is_pointed_out():
    assert misspelt(["HUBBUB_PROT", "HUBBUB_PORT", "PATH"]) == [
        "HUBBUB_PROT is not a setting; did you mean HUBBUB_PORT?"
    ]
    assert misspelt(["HUBBUB_SERVICE_HOST", "HUBBUB_PORT_8000_TCP_ADDR"]) == []


def test_every_setting_is_described():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_command_with_wrong_settings_ends_with_a_sentence_and_no_traceback(tmp_path):
    with pytest.raises(RuntimeError) as failure:
        run_hubbub("serve", directory=tmp_path, HUBBUB_PORT="eighty")
    assert "hubbub: HUBBUB_PORT is wrong" in str(failure.value)
    assert "Traceback" not in str(failure.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "is not JSON"),
        ("[]", "must hold a JSON object"),
        ("{}", "lists no operation"),
        ('{"a": 1}', "has no document for the id 'a'"),
        ('{"format": "other", "version": 1, "operations": []}', "must be of the format"),
        ('{"format": "apollo-persisted-query-manifest", "version": 2}', "in version 1"),
        ('{"format": "apollo-persisted-query-manifest", "version": 1}', "no list of operations"),
        (
            '{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{}]}',
            "an operation without an id",
        ),
    ],
)
def test_a_broken_list_of_persisted_operations_is_refused_with_what_to_do(
    monkeypatch, tmp_path, content, sentence
):
    file = tmp_path / "operations.json"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("HUBBUB_PERSISTED_OPERATIONS", str(file))
    with pytest.raises(SettingsError, match="HUBBUB_PERSISTED_OPERATIONS is wrong") as refused:
        load()
    assert sentence in str(refused.value)
    assert "leave it out to let every operation run" in str(refused.value)


def test_an_empty_name_of_a_list_is_none(monkeypatch):
    monkeypatch.setenv("HUBBUB_PERSISTED_OPERATIONS", "")
    assert load().persisted_operations is None
