"""Relations as batch functions: one call for all objects of a level, never a query per row.

A batch function is `async (objects, info, **arguments) -> list`, one entry per object in the same
order; an exception as an entry fails only that one. Under graphql-core it becomes a DataLoader, so
nothing in the schema depends on how it is executed. Every batch function takes its own database
connection, because siblings run at the same time.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import strawberry
from strawberry.dataloader import DataLoader

from schema.context import BatchFunction, Info

# A page of pages can ask for many parents at once; statements stay of a reasonable size.
MAX_BATCH = 1000


def batched(
    function: BatchFunction,
    *,
    description: str,
    known: str | None = None,
    absent: Callable[[Any], bool] | None = None,
) -> Any:
    """Return a Strawberry field that is resolved for many objects at once.

    `known` names an attribute that holds an object's value if it came along, and None otherwise;
    the batch function only gets those whose value is not known. `absent` tells of which objects it
    is null for certain.
    """
    signature = inspect.signature(function)
    _objects, _info, *arguments = signature.parameters.values()

    # Not async: a value that is there costs an event neither a task nor a turn of the loop.
    def resolve(root: Any, info: Info, **kwargs: Any) -> Any:
        value = getattr(root, known) if known else None
        if value is not None or (absent is not None and absent(root)):
            return value
        key = (function, repr(kwargs))
        loader = info.context.loaders.get(key)
        if loader is None:

            async def load(objects: Sequence[Any]) -> list[Any]:
                return await function(objects, info, **kwargs)

            # No cache: a loader would keep what one event of a subscription read for the next.
            loader = info.context.loaders[key] = DataLoader(
                load_fn=load, cache=False, max_batch_size=MAX_BATCH
            )
        return loader.load(root)

    # Strawberry reads arguments off the signature.
    resolve.__name__ = function.__name__
    resolve.__module__ = function.__module__
    parameter = inspect.Parameter
    resolve.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            parameter("root", parameter.POSITIONAL_OR_KEYWORD, annotation=Any),
            parameter("info", parameter.POSITIONAL_OR_KEYWORD, annotation=Info),
            *(argument.replace(kind=parameter.POSITIONAL_OR_KEYWORD) for argument in arguments),
        ],
        return_annotation=inspect.Signature.empty,
    )
    resolve.__annotations__ = {
        "root": Any,
        "info": Info,
        **{argument.name: argument.annotation for argument in arguments},
    }
    return strawberry.field(resolver=resolve, description=description)
