"""Benchmarks: each a command of its own, on real parts; what came out stands in RESULTS.md."""
