"""Use-cases: what each operation does, who may, and what it tells others. Plain async Python."""
