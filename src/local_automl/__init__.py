"""AutoML on this machine, driven by the argument names of Azure ML's `AutoMLConfig`."""
