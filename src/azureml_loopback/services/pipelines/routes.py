"""The pipelines service's routes, by what they are about."""

from azureml_loopback.services.pipelines import (
    draft_routes,
    entity_routes,
    published_routes,
    run_routes,
    schedule_routes,
    shared_module_routes,
)

services = [
    entity_routes.routes,
    run_routes.routes,
    published_routes.routes,
    schedule_routes.routes,
    draft_routes.routes,
    shared_module_routes.routes,
]
