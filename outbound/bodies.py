"""Bodies of answers, never longer than they may be: neither as they come nor unpacked."""

import zlib
from collections.abc import AsyncIterable

from outbound.errors import TooLarge, Unusable, WrongType

# What may be asked for: what the standard library unpacks piece by piece.
ENCODINGS = "gzip"
_GZIP = zlib.MAX_WBITS | 16


async def body(chunks: AsyncIterable[bytes], encoding: str, *, maximum: int) -> bytes:
    """Return a whole body, unpacked.

    Raises `TooLarge` as soon as there is more than `maximum` of it, `WrongType` for an encoding
    that was not asked for, and `Unusable` for what cannot be unpacked.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return await _plain(chunks, maximum)
    if encoding in ("gzip", "x-gzip"):
        return await _unzipped(chunks, maximum)
    raise WrongType("packed in a way that was not asked for")


async def _plain(chunks: AsyncIterable[bytes], maximum: int) -> bytes:
    whole = bytearray()
    async for chunk in chunks:
        whole += chunk
        if len(whole) > maximum:
            raise TooLarge(f"longer than {maximum} bytes")
    return bytes(whole)


async def _unzipped(chunks: AsyncIterable[bytes], maximum: int) -> bytes:
    """Return what a gzip stream holds; 1 KiB of it can hold 1 MiB, so nothing is unpacked ahead."""
    unpacker = zlib.decompressobj(_GZIP)
    whole, packed = bytearray(), 0
    async for chunk in chunks:
        packed += len(chunk)
        if packed > maximum:  # also what follows its end, or unpacks to nothing
            raise TooLarge(f"longer than {maximum} bytes")
        try:
            whole += unpacker.decompress(chunk, maximum + 1 - len(whole))
        except zlib.error as error:
            raise Unusable("cannot be unpacked") from error
        if len(whole) > maximum:
            raise TooLarge(f"longer than {maximum} bytes when unpacked")
    if not unpacker.eof:
        raise Unusable("breaks off")
    return bytes(whole)
