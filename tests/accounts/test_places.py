"""Languages and time zones."""

import os
import subprocess
import sys

import pytest

from accounts.places import is_time_zone, locale


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("en", "en"),
        ("en-us", "en-US"),
        ("ZH-HANT-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("sr-latn-rs", "sr-Latn-RS"),
        ("de-CH-1996", "de-CH-1996"),
        ("sl-rozaj-biske", "sl-rozaj-biske"),
        ("en-u-ca-gregory", "en-u-ca-gregory"),
        ("zh-yue", "zh-yue"),
    ],
)
def test_a_language_tag_comes_back_as_the_standard_writes_it(text, written):
    assert locale(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "e",
        "e1",
        "en_US",
        "en-",
        "-en",
        "en us",
        "en-\u0430",
        "\u017fr",
        "en-" + "a" * 40,
        "x-y",
        "en\n",
    ],
)
def test_what_is_no_language_tag_is_none(text):
    assert locale(text) is None


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Argentina/Ushuaia", "UTC", "Etc/GMT+5"])
def test_zones_of_the_database_are_time_zones(zone):
    assert is_time_zone(zone)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "europe/berlin",
        "Europe/Atlantis",
        "../../etc/passwd",
        "/etc/localtime",
        "localtime",
        "Factory",
        "Europe",
        "+02:00",
        "UTC\0",
        "A" * 100_000,
    ],
)
def test_anything_else_is_no_time_zone(text):
    assert not is_time_zone(text)


def test_time_zones_are_known_where_the_system_has_none():
    asked = "from accounts.places import is_time_zone as known; print(known('Europe/Berlin'))"
    environment = {**os.environ, "PYTHONTZPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
