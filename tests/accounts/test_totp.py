"""One-time passwords: the RFC's own values, the window, and what is not a code."""

import base64
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

import pyotp
import pytest

from accounts.totp import STEP, accepted_step, enrol

NOW = datetime(2026, 11, 20, 12, 0, 10, tzinfo=UTC)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STEP_NOW = int(NOW.timestamp()) // STEP


def code(steps=0, secret=SECRET):
    return pyotp.TOTP(secret).at(NOW + timedelta(seconds=STEP * steps))


# RFC 6238, appendix B, the rows of SHA-1: eight digits there, of which ours are the last six.
@pytest.mark.parametrize(
    ("seconds", "digits"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_codes_are_those_of_the_rfc(seconds, digits):
    secret = base64.b32encode(b"12345678901234567890").decode()
    now = datetime.fromtimestamp(seconds, UTC)
    assert accepted_step(secret, digits[-6:], now) == seconds // STEP


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_code_of_the_step_before_or_after_is_right_and_tells_which_it_is(steps):
    assert accepted_step(SECRET, code(steps), NOW) == STEP_NOW + steps


@pytest.mark.parametrize("steps", [-3, -2, 2, 3])
def test_a_code_of_another_step_is_wrong(steps):
    assert accepted_step(SECRET, code(steps), NOW) is None


def test_a_code_of_another_secret_is_wrong():
    assert accepted_step(SECRET, code(secret="K" * 32), NOW) is None


def test_a_code_may_be_typed_in_two_halves():
    assert accepted_step(SECRET, f" {code()[:3]} {code()[3:]} ", NOW) == STEP_NOW


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "12345",
        "1234567",
        "abcdef",
        "-12345",
        "12.456",
        "\x00" * 6,
        "9" * 100_000,
    ],
)
def test_what_is_no_code_is_wrong(typed):
    assert accepted_step(SECRET, typed, NOW) is None


def test_digits_of_another_script_are_no_digits():
    wide = "".join(chr(ord(digit) - ord("0") + 0xFF10) for digit in code())
    assert int(wide) == int(code())
    assert accepted_step(SECRET, wide, NOW) is None


def test_an_enrolment_has_a_secret_of_160_bits_in_an_address_that_apps_read():
    enrolment = enrol(issuer="Hubbub: chat & more", account="ana")
    assert len(base64.b32decode(enrolment.secret)) == 20
    assert enrol(issuer="Hubbub", account="ana").secret != enrolment.secret
    address = urlsplit(enrolment.uri)
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert unquote(address.path) == "/Hubbub  chat & more:ana"
    assert parse_qs(address.query) == {
        "secret": [enrolment.secret],
        "issuer": ["Hubbub  chat & more"],
    }


def test_the_qr_code_is_a_picture_that_says_nothing_in_words():
    enrolment = enrol(issuer="Hubbub", account="ana")
    picture = ET.fromstring(enrolment.qr_svg)
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert re.fullmatch(r"0 0 (\d+) \1", picture.attrib["viewBox"])
    assert enrolment.secret not in enrolment.qr_svg
