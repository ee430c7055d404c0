"""Password hashing with argon2id, off the event loop and bounded."""

import asyncio
import os
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# A waiting log-in holds a request and a password in memory; beyond this it is refused at once.
MAX_WAITING = 256

T = TypeVar("T")


class TooManyWaiting(Exception):
    """More hashes are asked for than can be computed soon; nothing was computed."""


class Passwords:
    """Hash and check passwords; the costs are argon2id's, `memory_kib` a hash.

    The defaults follow RFC 9106 §4's second recommendation (64 MiB, three passes).
    """

    def __init__(self, *, memory_kib: int = 65536, time_cost: int = 3) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        # argon2 releases the interpreter lock, so threads use the cores, and cost no more memory
        # than there are cores.
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="argon2")
        self._waiting = 0
        self._decoy = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """Return the encoded hash, parameters and salt included."""
        return await self._run(partial(self._hasher.hash, _normalised(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password belongs to the hash.

        None stands for an account that does not exist, and costs the same, so that the time of
        an answer does not tell which handles do.
        """
        given = _normalised(password)
        matches = await self._run(partial(self._verify, stored or self._decoy, given))
        return matches and stored is not None

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise TooManyWaiting
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Stop the threads; hashes under way end first."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def _normalised(password: str) -> str:
    """Return a password as it is hashed: the same, whichever way a keyboard composes its letters.

    NIST SP 800-63B-4 §3.1.1.2 has NFKC or NFKD for that. ASCII stays what it is.
    """
    return unicodedata.normalize("NFKC", password)
