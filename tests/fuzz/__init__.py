"""Requests and frames that nobody would send, at a real server: `make fuzz`, and in the tests.

What may not happen, whatever is sent: an answer of 500 and above, silence, a word of how the server
is made, an error without a documented code, a socket closed with a wrong code or none, a line in
the log that speaks of a bug, or a socket of somebody else that notices.
"""
