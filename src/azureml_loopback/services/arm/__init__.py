"""Azure Resource Manager: subscriptions, the workspace, its computes."""
