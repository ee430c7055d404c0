"""A client that applies events to what it fetched knows what it would know if it fetched again."""
