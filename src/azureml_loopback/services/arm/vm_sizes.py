"""The sizes of virtual machines that a cluster can have, as Azure lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

DEFAULT = "Standard_NC6"
"""What a cluster gets that names no size, by the SDK's documentation."""


@dataclass(frozen=True)
class VmSize:
    """One size.

    Attributes:
        name: As Azure writes it.
        family: What its quota is counted by.
        cores: Virtual CPUs.
        memory_gb: Memory.
        disk_mb: The temporary disk.
        gpus: Graphics processors.
    """

    name: str
    family: str
    cores: int
    memory_gb: float
    disk_mb: int
    gpus: int = 0


_FAMILIES: Mapping[str, tuple[tuple[str, int, float, int, int], ...]] = {
    # quota family -> (size, cores, memory in GB, temporary disk in GB, GPUs)
    "standardDv2Family": (
        ("D1_v2", 1, 3.5, 50, 0),
        ("D2_v2", 2, 7, 100, 0),
        ("D3_v2", 4, 14, 200, 0),
        ("D4_v2", 8, 28, 400, 0),
        ("D11_v2", 2, 14, 100, 0),
        ("D12_v2", 4, 28, 200, 0),
        ("D13_v2", 8, 56, 400, 0),
        ("D14_v2", 16, 112, 800, 0),
    ),
    "standardDSv2Family": (
        ("DS1_v2", 1, 3.5, 7, 0),
        ("DS2_v2", 2, 7, 14, 0),
        ("DS3_v2", 4, 14, 28, 0),
        ("DS4_v2", 8, 28, 56, 0),
        ("DS5_v2", 16, 56, 112, 0),
        ("DS11_v2", 2, 14, 28, 0),
        ("DS12_v2", 4, 28, 56, 0),
        ("DS13_v2", 8, 56, 112, 0),
        ("DS14_v2", 16, 112, 224, 0),
        ("DS15_v2", 20, 140, 280, 0),
    ),
    "standardDv3Family": (
        ("D2_v3", 2, 8, 50, 0),
        ("D4_v3", 4, 16, 100, 0),
        ("D8_v3", 8, 32, 200, 0),
        ("D16_v3", 16, 64, 400, 0),
    ),
    "standardDSv3Family": (
        ("D2s_v3", 2, 8, 16, 0),
        ("D4s_v3", 4, 16, 32, 0),
        ("D8s_v3", 8, 32, 64, 0),
        ("D16s_v3", 16, 64, 128, 0),
        ("D32s_v3", 32, 128, 256, 0),
    ),
    "standardEDSv4Family": (
        ("E2ds_v4", 2, 16, 75, 0),
        ("E4ds_v4", 4, 32, 150, 0),
        ("E8ds_v4", 8, 64, 300, 0),
        ("E16ds_v4", 16, 128, 600, 0),
    ),
    "standardFSv2Family": (
        ("F2s_v2", 2, 4, 16, 0),
        ("F4s_v2", 4, 8, 32, 0),
        ("F8s_v2", 8, 16, 64, 0),
        ("F16s_v2", 16, 32, 128, 0),
    ),
    "standardNCFamily": (
        ("NC6", 6, 56, 340, 1),
        ("NC12", 12, 112, 680, 2),
        ("NC24", 24, 224, 1440, 4),
    ),
    "standardNCSv3Family": (
        ("NC6s_v3", 6, 112, 736, 1),
        ("NC12s_v3", 12, 224, 1474, 2),
        ("NC24s_v3", 24, 448, 2948, 4),
    ),
    "Standard NCASv3_T4 Family": (
        ("NC4as_T4_v3", 4, 28, 180, 1),
        ("NC8as_T4_v3", 8, 56, 360, 1),
        ("NC16as_T4_v3", 16, 110, 360, 1),
    ),
}


def _sizes() -> Iterator[VmSize]:
    for family, sizes in _FAMILIES.items():
        for name, cores, memory, disk, gpus in sizes:
            yield VmSize(f"Standard_{name}", family, cores, memory, disk * 1024, gpus)


SIZES: Mapping[str, VmSize] = {size.name.lower(): size for size in _sizes()}
"""Lower-cased name -> size; letter case does not matter, as in Azure."""

FAMILIES: tuple[str, ...] = tuple(_FAMILIES)
"""The quota families."""
