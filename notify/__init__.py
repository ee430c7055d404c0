"""Channels on which people are told of things: e-mail. Imports nothing of ours."""
