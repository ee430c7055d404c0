"""Tailers, hubs and feeds as they are, over a log, a bus and sockets that exist in memory alone.

Time is virtual, and every choice comes from a seed: a run takes milliseconds, and the same seed is
the same run. `docs/simulation.md` says what is simulated, and how to repeat a run.
"""
