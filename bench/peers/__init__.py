"""Servers to compare with. Each takes the requests that Hubbub takes and pushes the same frames."""
