"""Put the migrations and the GraphiQL page into the wheel, under names that hurt nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = "web/graphiql/dist"


class HubbubBuildHook(BuildHookInterface[BuilderConfig]):
    """Add `server/_alembic` and `server/_graphiql` to every wheel that is not an editable one.

    A top-level `alembic/` in a wheel would be unpacked into the library of that name. An editable
    install needs neither: `server/assets.py` finds both in the checkout, and the page may be built
    after it.
    """

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel" and version == "editable":
            return
        if not (Path(self.root) / PAGE / "index.html").is_file():
            raise FileNotFoundError(
                f"{PAGE} is missing: the GraphiQL page has to be built before Hubbub is packed. "
                "Run `make wheel`, which does both."
            )
        if self.target_name == "wheel":
            build_data["force_include"] |= {"alembic": "server/_alembic", PAGE: "server/_graphiql"}
