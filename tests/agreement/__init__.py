"""Random doings of several people, checked against a plain model after every step.

The model knows nothing of the product but what `docs/PROTOCOL.md` says. `docs/agreement.md` tells
what is compared, and how to repeat a run.
"""
