"""Credentials logic without a database. Imports nothing of ours."""
