"""A real browser, driven by Playwright."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.parts import node, record

PROGRAMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
)
ON_A_MAC = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# A camera and a microphone that need no hardware and ask nobody, and silence towards the internet.
# Playwright adds --headless, --no-sandbox and an empty profile by itself.
FLAGS = (
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
SCREENSHOTS = Path(__file__).parents[2] / "build/screenshots"


def find() -> tuple[Path, str] | None:
    """Return the browser's program and where it comes from."""
    for name in (*PROGRAMS, *ON_A_MAC):
        if program := shutil.which(name):
            return Path(program), "system"
    program = _npm()
    return (Path(program), "npm") if program else None


def _npm() -> str | None:
    # A Chromium without system packages, too heavy to be installed for everybody. It unpacks
    # itself when asked where it is.
    found = node.find()
    if found is None or not (node.CLIENTS / "node_modules/@sparticuz/chromium").is_dir():
        return None
    ask = "import c from '@sparticuz/chromium'; console.log(await c.executablePath())"
    done = subprocess.run(
        [found[0], "--input-type=module", "-e", ask],
        cwd=node.CLIENTS,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The path of a Chromium or Chrome."""
    found = find()
    if found is None:
        record.missing(
            "Chromium",
            "install chromium, or run `npm install --no-save @sparticuz/chromium` in tests/clients",
        )
    program, origin = found
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=30, check=False
    )
    version = re.search(r"[\d.]+", done.stdout)
    record.ran("Chromium", version[0] if version else "?", origin)
    return program


@pytest.fixture
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """A fresh browser for Playwright's asynchronous API: `page = await browser.new_page()`."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder from which `make screenshots` fills docs/images."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS
