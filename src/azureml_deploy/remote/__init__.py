"""What runs on the cluster; these files travel, and import nothing of this package."""
