"""The environment service: definitions of Python environments, with versions and labels."""
