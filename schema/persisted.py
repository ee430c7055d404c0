"""Persisted documents: requests that name a document instead of carrying it.

Automatic ones (`extensions.persistedQuery`, Apollo's protocol) are learnt from the first client
that sends hash and document together. Where the operator lists documents, only these run.
"""

import re
import sys
from collections import OrderedDict

from graphql import GraphQLError

from realtime.operations import OperationRequest
from schema.manifest import Manifest, digest

KEPT = 1000  # documents, as many as are kept parsed
KEPT_BYTES = 8 * 1024 * 1024  # 8 KB each

_HASH = re.compile("[0-9a-f]{64}")
_PREFIX = "sha256:"


class Persisted:
    """The documents that requests may name: learnt ones, or the operator's."""

    def __init__(self, listed: Manifest | None = None) -> None:
        """Begin with nothing learnt; with `listed`, nothing else ever runs."""
        self._listed = listed
        self._learnt: OrderedDict[str, str] = OrderedDict()
        self._size = 0

    def text(self, request: OperationRequest) -> str:
        """Return the document that a request carries or names; raises `GraphQLError`."""
        if request.document_id is not None and request.query:
            raise GraphQLError("Send query or documentId, and not both.")
        id_ = _id(request)
        if request.query:
            if id_ is not None and id_ != digest(request.query):
                raise GraphQLError("The sha256Hash of the persisted query is not that of query.")
            if self._listed is not None and not self._listed.lists(request.query):
                raise _error(
                    "PERSISTED_OPERATION_REQUIRED",
                    "Only persisted operations run here, and this is none of them.",
                )
            return request.query
        if id_ is None:
            raise GraphQLError("There is no query.")
        if self._listed is not None:
            text = self._listed.get(id_)
            if text is None:
                raise _error(
                    "PERSISTED_OPERATION_UNKNOWN",
                    f"Only persisted operations run here, and none has the id {id_[:80]!r}.",
                )
            return text
        if (text := self._learnt.get(id_)) is None:
            # The message and the code at which Apollo's clients send the document once more.
            raise _error("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
        self._learnt.move_to_end(id_)
        return text

    def learn(self, request: OperationRequest) -> None:
        """Remember the document of a request that has named it too, and that may run."""
        id_ = _id(request)
        if id_ is None or not request.query or self._listed is not None or id_ in self._learnt:
            return
        self._learnt[id_] = request.query
        self._size += sys.getsizeof(request.query)
        while len(self._learnt) > KEPT or self._size > KEPT_BYTES:
            _, forgotten = self._learnt.popitem(last=False)
            self._size -= sys.getsizeof(forgotten)


def _id(request: OperationRequest) -> str | None:
    """Return by what a request names its document; raises `GraphQLError`.

    A hash comes as Apollo's `persistedQuery` or, as appendix A of the GraphQL-over-HTTP draft has
    it, as `documentId` with a prefix. Without one, a `documentId` is an id of the operator's list.
    """
    if request.document_id is not None:
        return request.document_id.removeprefix(_PREFIX)
    given = (request.extensions or {}).get("persistedQuery")
    if given is None:
        return None
    if not isinstance(given, dict) or given.get("version") != 1:
        raise GraphQLError("extensions.persistedQuery must be an object of version 1.")
    id_ = given.get("sha256Hash")
    if not isinstance(id_, str) or not (_HASH.fullmatch(id_) or not request.query):
        raise GraphQLError("extensions.persistedQuery.sha256Hash must be a SHA-256 in hexadecimal.")
    return id_


def _error(code: str, message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code})
