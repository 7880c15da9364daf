"""The execution service: scripts that are submitted by themselves."""
