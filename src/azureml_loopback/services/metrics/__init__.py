"""The metric service: what runs log."""
