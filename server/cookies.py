"""Sessions kept in a browser's cookies, for pages that would rather not hold tokens themselves.

A page asks for them by a header when it signs in. From then on the browser says who asks, with
every request and whichever page makes it, so a cookie is believed only

- from a page of the server's own origin or of one that is allowed, by what the browser says of it;
- with a POST, together with the session's CSRF token, which only such pages can read;
- on a socket, from such a page: a socket without an origin is not a browser's.

An `authorization` header always counts instead.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import Response

from accounts.csrf import CsrfTokens
from accounts.tokens import REFRESH_LIFETIME, InvalidToken, RefreshTokens
from models.errors import CsrfTokenRequired, Refusal, Unauthenticated
from models.viewer import Viewer
from realtime.operations import Authenticator
from schema.jar import Jar, Tokens
from server.middleware import origin_allowed

MODE_HEADER = "hubbub-session"
MODE = "cookie"
CSRF_HEADER = "x-csrf-token"

_ACCESS, _REFRESH, _CSRF = "hubbub_access", "hubbub_refresh", "hubbub_csrf"
# As long as the session may last: an access token that has expired says so when it is used.
_MAX_AGE = int(REFRESH_LIFETIME.total_seconds())
_LOCAL = ("localhost", "127.0.0.1", "::1")


class NotFromHere(Exception):
    """A page that is not allowed, or no page at all, would use cookies."""


class Cookies:
    """Reads, believes and sets the cookies of sessions."""

    def __init__(
        self,
        csrf: CsrfTokens,
        refresh_tokens: RefreshTokens,
        authenticator: Authenticator,
        allowed_origins: Sequence[str],
    ) -> None:
        self._csrf = csrf
        self._refresh_tokens = refresh_tokens
        self._authenticator = authenticator
        self._allowed_origins = allowed_origins

    async def viewer(self, request: Request) -> Viewer | None:
        """Return whom a request's cookie speaks for, None without one that is to be believed.

        Raises `Unauthenticated`, `CsrfTokenRequired` if only the proof is missing, `Overloaded`.
        """
        headers = request.headers
        access = _brought(headers).get(_name(_ACCESS, headers))
        if access is None or not self._from_own_page(headers):
            return None
        viewer = await self._authenticator.authenticate(f"Bearer {access}")
        if viewer is not None and request.method == "POST":
            self._require_proof(viewer.session_id, headers)
        return viewer

    def authorization(self, headers: Headers) -> str | None:
        """Return what a socket's cookie says; raises `NotFromHere` without a page's origin."""
        access = _brought(headers).get(_name(_ACCESS, headers))
        if access is None:
            return None
        if "origin" not in headers or not self._from_own_page(headers):
            raise NotFromHere
        return f"Bearer {access}"

    def jar(self, request: Request) -> Jar:
        """Return what a mutation finds; raises `NotFromHere` for a page that may not have them."""
        headers = request.headers
        if headers.get(MODE_HEADER) is None:
            return Jar(takes_tokens=False)
        if not self._from_own_page(headers):
            raise NotFromHere
        return Jar(takes_tokens=True, kept=self._refresh_token(headers))

    def put(self, response: Response, request: Request, jar: Jar, viewer: Viewer | None) -> None:
        """Set or clear cookies as the request has it; `viewer` is whom the cookies spoke for."""
        if jar.taken is not None:
            self._set(response, request.headers, jar.taken)
        elif jar.ended and (jar.takes_tokens or viewer is not None):
            for name in (_ACCESS, _REFRESH, _CSRF):
                _set(response, request.headers, name, "", max_age=0)
        elif viewer is not None:
            # A page of another origin cannot read the cookie that says so.
            response.headers[CSRF_HEADER] = self._csrf.of(viewer.session_id)

    def _set(self, response: Response, headers: Headers, tokens: Tokens) -> None:
        csrf = self._csrf.of(tokens.session_id)
        _set(response, headers, _ACCESS, tokens.access)
        _set(response, headers, _REFRESH, tokens.refresh)
        _set(response, headers, _CSRF, csrf, http_only=False)
        response.headers[CSRF_HEADER] = csrf

    def _refresh_token(self, headers: Headers) -> str | Refusal:
        text = _brought(headers).get(_name(_REFRESH, headers))
        if text is None:
            return Unauthenticated("There is no session to renew: log in.")
        try:
            token = self._refresh_tokens.read(text)
            self._require_proof(token.session_id, headers)
        except InvalidToken:
            return Unauthenticated("The refresh token is not valid.")
        except CsrfTokenRequired as refusal:
            return refusal
        return text

    def _require_proof(self, session_id: UUID, headers: Headers) -> None:
        if not self._csrf.fits(session_id, headers.get(CSRF_HEADER)):
            raise CsrfTokenRequired(CSRF_HEADER)

    def _from_own_page(self, headers: Headers) -> bool:
        if "origin" in headers:
            return origin_allowed(headers, self._allowed_origins)
        # Of a page's own requests by GET browsers send no origin, but they say this of all.
        return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def _brought(headers: Headers) -> dict[str, str]:
    return cookie_parser(headers.get("cookie", ""))


def _local(headers: Headers) -> bool:
    """Whether this is somebody's own machine, where there is no TLS, as the browser sees it."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname in _LOCAL
    except ValueError:  # brackets without an address between them
        return False


def _name(name: str, headers: Headers) -> str:
    # With this prefix no other host, and nobody on the way, can have set it (RFC 6265bis §4.1.3.2).
    return name if _local(headers) else f"__Host-{name}"


def _set(
    response: Response,
    headers: Headers,
    name: str,
    value: str,
    *,
    max_age: int = _MAX_AGE,
    http_only: bool = True,
) -> None:
    response.set_cookie(
        _name(name, headers),
        value,
        max_age=max_age,
        path="/",
        secure=not _local(headers),
        httponly=http_only,
        samesite="strict",
    )
