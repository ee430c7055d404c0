"""Tables and their queries: the only layer that speaks to the database."""
