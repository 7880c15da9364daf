"""The artifact service: files of runs, by origin, container and path."""
