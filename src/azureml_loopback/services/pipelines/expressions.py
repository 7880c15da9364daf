"""Values of pipeline parameters that Azure works out when a run begins, such as ``@utcNow()``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from azureml_loopback.errors import NotImplementedHere

_FUNCTIONS = frozenset(
    {
        "addDays",
        "addHours",
        "addMinutes",
        "addSeconds",
        "addToTime",
        "convertFromUtc",
        "convertTimeZone",
        "convertToUtc",
        "createdBy",
        "dayOfMonth",
        "dayOfWeek",
        "dayOfYear",
        "formatDateTime",
        "runId",
        "startOfDay",
        "startOfHour",
        "startOfMonth",
        "subtractFromTime",
        "trigger",
        "utcNow",
    }
)
"""What Azure knows, letter case and all; a text that calls anything else is itself the value."""
_CALL = re.compile(r"@(\w+)\(")


def refuse_expressions(assignments: Mapping[str, object]) -> None:
    """Refuse values that are expressions: as plain text they would mean something else.

    Args:
        assignments: Parameter -> value.

    Raises:
        NotImplementedHere: Names the parameter and the expression.
    """
    for name, value in assignments.items():
        call = _CALL.match(str(value))
        if call and call[1] in _FUNCTIONS:
            raise NotImplementedHere(
                f"Pipeline parameter '{name}': expressions such as '{value}' are not implemented "
                "by the loopback service; give a value"
            )
