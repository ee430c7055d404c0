"""The settings that the environment holds, with the secret that is kept for it."""

import difflib
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from server.settings import MIN_SECRET, Settings, SettingsError


def read() -> Settings:
    """Return the settings as they are given; raises `SettingsError` with a sentence for people."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(problem) for problem in error.errors())) from None


def load() -> Settings:
    """Return the settings, with a secret; raises `SettingsError`."""
    settings = read()
    if not settings.secret_key:
        settings.secret_key = _kept_secret(settings.data_dir)
    return settings


def misspelt(environment: Iterable[str]) -> list[str]:
    """Return a sentence for each name that looks like a setting and is none."""
    known = {f"HUBBUB_{name.upper()}" for name in Settings.model_fields}
    sentences = []
    for name in sorted(environment):
        # Kubernetes describes a service called hubbub to every container in such variables.
        if not name.startswith("HUBBUB_") or name in known or "_SERVICE_" in name or "_TCP" in name:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        sentences.append(f"{name} is not a setting{hint}")
    return sentences


def _sentence(problem: Mapping[str, Any]) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    name = f"HUBBUB_{str(problem['loc'][0]).upper()}"
    return f"{name} is wrong: {message[0].lower()}{message[1:]}."


def _kept_secret(data_dir: Path) -> str:
    """Return the data directory's secret, made on first use and readable by its owner only."""
    path = data_dir / "secret_key"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            secret = path.read_text().strip()
        else:
            secret = secrets.token_urlsafe(48)
            with os.fdopen(descriptor, "w") as file:
                file.write(secret + "\n")
    except OSError as error:
        raise SettingsError(
            f"HUBBUB_DATA_DIR is wrong: cannot keep a secret in {data_dir}: {error.strerror}."
        ) from None
    if len(secret) < MIN_SECRET:
        raise SettingsError(f"{path} is damaged: delete it to make a new one (all log in again).")
    return secret
