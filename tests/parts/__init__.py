"""Real parts for the tests: PostgreSQL, Redis, Chromium, Node and Hubbub itself as a process.

What the machine has is preferred, else a wheel brings it. A part that cannot be had skips the tests
that ask for it, by name; with REQUIRE_REAL=1, as in CI, it fails them. `PARTS=wheels` prefers the
wheels, whose versions are newer than Debian's.
"""
