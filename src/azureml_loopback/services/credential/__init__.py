"""Secrets of the workspace's key vault, as the SDK's Keyvault and Run.get_secret reach them."""
