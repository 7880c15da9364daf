"""A step of a run, brought home and run here."""
