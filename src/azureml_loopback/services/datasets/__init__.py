"""The dataset service: saved definitions, registered names with versions, and v2 data versions."""
