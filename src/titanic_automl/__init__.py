"""The Kedro project: how Titanic passengers are prepared, and a model of them trained."""
