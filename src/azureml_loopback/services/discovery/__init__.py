"""Where the workspace's services are."""
