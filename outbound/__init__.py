"""Requests that the server makes by itself, to addresses that strangers have written."""
