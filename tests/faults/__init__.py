"""Faults on purpose: real nodes are killed, frozen and cut off, and what clients saw is checked.

`make faults` runs it, and `checker.py` says what must hold.
"""
