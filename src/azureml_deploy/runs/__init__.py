"""The life after submit."""
