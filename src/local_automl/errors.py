"""What a training run refuses."""


class AutoMLError(ValueError):
    """A training run that cannot go on; the message names the thing, the place and the remedy."""
