"""Files that list persisted operations, as build tools of clients write them."""

import hashlib
import json
from pathlib import Path

APOLLO = "apollo-persisted-query-manifest"


class ManifestError(Exception):
    """The file is not a list of persisted operations; the message says why."""


class Manifest:
    """The documents that may run, by the ids that their clients use."""

    def __init__(self, documents: dict[str, str]) -> None:
        """Take documents by id; each is known by the hash of its text besides."""
        self._documents = {digest(text): text for text in documents.values()} | documents
        self._texts = frozenset(documents.values())

    def get(self, id_: str) -> str | None:
        """Return the document with an id or a hash, if it is listed."""
        return self._documents.get(id_)

    def lists(self, text: str) -> bool:
        """Whether exactly this document is listed."""
        return text in self._texts


def digest(text: str) -> str:
    """Return the hash by which clients name a document: SHA-256, in lower-case hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: Path) -> Manifest:
    """Read the file of Apollo's or of Relay's build tools; raises `ManifestError`."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ManifestError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ManifestError(f"{path} must hold a JSON object of documents by id")
    documents: dict[str, str] = {}
    for id_, text in (_apollo(path, content) if "format" in content else content).items():
        if not isinstance(text, str) or not text.strip():
            raise ManifestError(f"{path} has no document for the id {id_!r}")
        documents[id_] = text
    if not documents:
        raise ManifestError(f"{path} lists no operation, so nothing could run")
    return Manifest(documents)


def _apollo(path: Path, content: dict[str, object]) -> dict[str, object]:
    if (content["format"], content.get("version")) != (APOLLO, 1):
        raise ManifestError(f"{path} must be of the format {APOLLO!r} in version 1")
    operations = content.get("operations")
    if not isinstance(operations, list):
        raise ManifestError(f"{path} has no list of operations")
    documents: dict[str, object] = {}
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("id"), str):
            raise ManifestError(f"{path} has an operation without an id")
        documents[operation["id"]] = operation.get("body")
    return documents
