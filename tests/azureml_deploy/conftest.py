"""What the deploy module's tests share: a small configuration, and telemetry switched off."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

os.environ["DO_NOT_TRACK"] = "1"
# pytest runs with --import-mode=importlib, which finds no helper modules beside a test
sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def values() -> dict[str, Any]:
    """What a small azureml.yml says; each test gets its own."""
    return {
        "experiment_name": "test",
        "compute_targets": {"cpu": {"vm_size": "STANDARD_D2_V2"}, "big": {}},
        "environments": {"one": {"pip_packages": ["kedro"]}, "two": {"curated": "AzureML-X"}},
        "default": {"compute_target": "cpu", "environment": "one"},
    }
