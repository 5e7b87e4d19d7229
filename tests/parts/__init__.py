"""The real servers that tests start: one module a part, each a context manager on loopback.

A part that cannot be had is an error that says what to install, never a skipped test.
Nothing here knows the product; a part is started, used through its own protocol, and gone after exit.
"""


class PartUnavailable(Exception):
    """A real part could not be found, made or started; the message says what to do about it."""
