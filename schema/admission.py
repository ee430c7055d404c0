"""What every operation passes before it runs, whatever transport it came by."""

from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged as merging
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from realtime.operations import OperationRequest
from schema.cost import MAX_COST, Costs
from schema.documents import Document, Documents, declared
from schema.introspection import NoIntrospection
from schema.limits import check_variables
from schema.manifest import Manifest
from schema.persisted import Persisted

# Steps of comparing fields that may have to be merged, which is the one part of validation that
# does not grow with the document's length but with its square. With this the worst document takes
# 42 ms to refuse; graphql-core's own maximum, 500,000, lets it take a second (decision 12).
MAX_MERGING = 20_000
merging.MAX_COMPLEXITY_BUDGET = MAX_MERGING


@dataclass(frozen=True, slots=True)
class Admitted:
    """An operation that may run, with what of its request it needs while it does."""

    document: Document
    node: OperationDefinitionNode
    request: OperationRequest
    extensions: dict[str, Any] | None  # of its response


class NotAdmitted(Exception):
    """The operation may not run."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


class Admission:
    """Finds the operation of a request, and refuses what is wrong with it or too much."""

    def __init__(
        self, schema: GraphQLSchema, *, introspection: bool = True, listed: Manifest | None = None
    ) -> None:
        self._schema = schema
        self._documents = Documents()
        self._persisted = Persisted(listed)
        self._costs = Costs(schema)
        self._hides = not introspection
        self._rules = [*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule]
        if not introspection:
            self._rules.append(NoIntrospection)

    def admit(self, request: OperationRequest) -> Admitted:
        """Return what may run; raises `NotAdmitted`."""
        try:
            text = self._persisted.text(request)
            document = self._documents.read(text)
            node = document.operation(request.operation_name)
            # Before validation: what takes long to validate is refused here.
            document.check_shape(node)
            if errors := document.errors(self._validate):
                raise NotAdmitted(errors)
            variables = declared(node, request.variables)
            check_variables(node, variables)
            cost = document.weigh(self._costs, node, variables)
        except GraphQLError as error:
            raise NotAdmitted([error]) from None
        self._persisted.learn(request)
        kept = replace(request, query=text, variables=variables, extensions=None, document_id=None)
        asked = (request.extensions or {}).get("cost") is True
        told = {"cost": {"requested": cost, "maximum": MAX_COST}} if asked else None
        return Admitted(document, node, kept, told)

    def _validate(self, node: DocumentNode) -> list[GraphQLError]:
        errors = validate(self._schema, node, self._rules, hide_suggestions=self._hides)
        if errors and _gave_up(errors[-1]):
            return [
                GraphQLError(
                    "The document asks for the same fields too often, or nests fragments too "
                    f"deep: comparing them takes more than {MAX_MERGING} steps.",
                    extensions={"code": "TOO_COMPLEX", "maximum": MAX_MERGING},
                )
            ]
        return errors


def _gave_up(error: GraphQLError) -> bool:
    """Whether validation ended before its time, and not for the number of errors."""
    return isinstance(error, ValidationAbortedError) and "error limit" not in error.message
