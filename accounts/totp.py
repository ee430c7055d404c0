"""Time-based one-time passwords (RFC 6238): SHA-1, six digits, thirty seconds.

Authenticator apps know nothing else for certain: several pass over what the URI says about digits,
algorithm and period.
"""

import io
import re
from dataclasses import dataclass
from datetime import datetime

import pyotp
import segno

STEP = 30  # seconds; RFC 6238 §5.2
DIGITS = 6
# Clocks differ, and typing takes a while: RFC 6238 §5.2 wants one step at most.
WINDOW = 1
_SECRET_LENGTH = 32  # characters of base 32, 160 bits as RFC 4226 §4 recommends
_CODE = re.compile(rf"[0-9]{{{DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A secret in the ways in which an authenticator app takes it."""

    secret: str
    uri: str
    qr_svg: str


def enrol(*, issuer: str, account: str) -> Enrolment:
    """Return a fresh secret, with the names under which the app lists it."""
    secret = pyotp.random_base32(_SECRET_LENGTH)
    # A colon parts the issuer from the account, in the app too.
    uri = pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer.replace(":", " "))
    return Enrolment(secret, uri, _qr_svg(uri))


def accepted_step(secret: str, code: str, now: datetime) -> int | None:
    """Return the step for which the code is right, around the present one; None if there is none.

    Who keeps the last step and takes only later ones takes no code twice (RFC 6238 §5.2).
    """
    digits = "".join(code.split()) if len(code) <= 2 * DIGITS else ""
    if not _CODE.fullmatch(digits):
        return None
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(
            digits, for_time=now.timestamp(), valid_window=WINDOW
        )
    except pyotp.OTPVerificationError:
        return None


def _qr_svg(uri: str) -> str:
    drawn = io.BytesIO()
    # Dark on light whatever the page's colours are, and scaled by whoever shows it.
    segno.make(uri, micro=False).save(
        drawn, kind="svg", xmldecl=False, light="#fff", omitsize=True, title=None
    )
    return drawn.getvalue().decode().strip()
