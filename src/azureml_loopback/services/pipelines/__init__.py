"""Pipelines: data types, modules, data sources, graphs, and the runs of graphs."""
