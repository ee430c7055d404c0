"""Credentials logic without a database: passwords and tokens. Imports nothing of ours."""
