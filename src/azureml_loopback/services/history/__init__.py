"""The run history service: experiments, runs, their statuses, tags and properties."""
