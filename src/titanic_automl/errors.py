"""The one kind of error that the command line shows without a traceback."""


class UserError(ValueError):
    """A user's mistake: the message names the thing, the place and the remedy."""
