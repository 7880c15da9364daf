"""Errors that a user can mend."""


class DeployError(Exception):
    """Something the user wrote cannot be used: the message names thing, place and remedy."""


class ConfigError(DeployError):
    """azureml.yml, or what it names, is wrong."""


class UsageError(DeployError):
    """A command was asked for something that does not exist."""


class ServiceError(DeployError):
    """Azure ML, or the way to it, failed: the message says at what, why, and what to do."""
