"""The page: experiments, runs with their live graphs, logs, outputs, metrics, datasets, models."""
