"""Where the files are that travel with the code: migrations and the GraphiQL page.

In a checkout they lie at the root, in a wheel beside this module (a top-level `alembic/` in a
wheel would be installed into the library of that name).
"""

from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parent


def _first_existing(*candidates: Path) -> Path:
    return next((path for path in candidates if path.is_dir()), candidates[0])


MIGRATIONS = _first_existing(_HERE / "_alembic", _ROOT / "alembic")
GRAPHIQL = _first_existing(_HERE / "_graphiql", _ROOT / "web" / "graphiql" / "dist")
