"""Take any Kedro pipeline to Azure ML: plan it offline, check it, and build its v1 steps."""
