"""The commands of `kedro azureml`: each parses, calls and prints."""
