"""Runs what is submitted: graphs of steps, each in its own process and folder."""
