"""The run history service's routes."""

from azureml_loopback.services.history import event_routes, experiment_routes, run_routes

services = [experiment_routes.routes, run_routes.routes, event_routes.routes]
