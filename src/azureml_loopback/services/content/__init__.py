"""The content service: snapshots of source folders."""
