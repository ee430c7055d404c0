"""The files of exports, by signed links."""

import re
from collections.abc import AsyncIterator

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from models.errors import NotFound
from models.exports import Export
from realtime.endpoint import client_of
from resolvers import exports
from resolvers.services import Services

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_HEADERS = {
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class ExportFiles:
    """Answers `GET /exports/<name>?key=<key>`; only the key counts."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def answer(self, request: Request) -> Response:
        """Send the file, or the part of it that was asked for."""
        try:
            export = await exports.linked(self._services, request.query_params.get("key", ""))
        except NotFound:
            return PlainTextResponse(
                "There is no such file, or the link is too old: ask for a new one.\n",
                404,
                headers=_HEADERS,
            )
        size = export.size or 0
        headers = {
            **_HEADERS,
            "content-disposition": f'attachment; filename="{exports.file_name(export)}"',
            "accept-ranges": "bytes",
            "etag": f'"{export.id}"',
        }
        try:
            wanted = _wanted(request.headers, size, headers["etag"])
        except ValueError:
            return PlainTextResponse(
                "The file has no such part.\n",
                416,
                headers={**_HEADERS, "content-range": f"bytes */{size}"},
            )
        first, last = wanted or (0, size - 1)
        if wanted is not None:
            headers["content-range"] = f"bytes {first}-{last}/{size}"
        headers["content-length"] = str(last - first + 1)
        if request.method == "GET" and first == 0:
            await exports.note_download(self._services, export, client_of(request.scope))
        return StreamingResponse(
            self._content(request, export, first, last),
            206 if wanted is not None else 200,
            headers=headers,
            media_type="application/zip",
        )

    async def _content(
        self, request: Request, export: Export, first: int, last: int
    ) -> AsyncIterator[bytes]:
        if request.method == "HEAD":
            return
        async for piece in exports.content(self._services, export, first, last):
            yield piece


def _wanted(headers: Headers, size: int, etag: str) -> tuple[int, int] | None:
    """Return the first and the last byte asked for, None for the whole file.

    RFC 9110 §14.2: what is not one range of bytes may be passed over, and several are. Raises
    `ValueError` for one that the file does not have.
    """
    asked = _RANGE.fullmatch(headers.get("range", ""))
    if asked is None or headers.get("if-range", etag) != etag:
        return None
    start, end = asked.groups()
    if len(start) > 18 or len(end) > 18 or not (start or end):
        return None
    if not start:  # the last so many
        first, last = max(0, size - int(end)), size - 1
    else:
        first, last = int(start), min(int(end) if end else size - 1, size - 1)
    if not first <= last:
        raise ValueError("no such part")
    return first, last
