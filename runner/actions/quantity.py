"""Kubernetes' quantities as numbers: `1000m` is `1`, `1Gi` is `1024Mi`; and the fields in which they stand."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, Final

# Exponents are short, so that no text makes a number of a million digits.
_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40}))"
    r"(?:(?P<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?P<exponent>[+-]?[0-9]{1,2}))?"
)
_SUFFIXES: Final[dict[str | None, Fraction]] = {
    None: Fraction(1),
    **{
        suffix: Fraction(10) ** power
        for suffix, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)
    },
    **{suffix: Fraction(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}

# Maps whose values are quantities, in types of any group: custom resources embed those of Pods and claims.
_MAPS: Final = frozenset({"requests", "limits", "capacity", "hard", "podFixed", "allocatedResources"})
_LIMIT_RANGE_MAPS: Final = frozenset({"default", "defaultRequest", "max", "min", "maxLimitRequestRatio"})
_FIELDS: Final = frozenset({"storage", "sizeLimit", "divisor", "averageValue", "maximumVolumeSize"})


def quantity(value: Any) -> Fraction | None:
    """The number that a quantity stands for; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    scale = Fraction(10) ** int(match["exponent"]) if match["exponent"] else _SUFFIXES[match["suffix"]]
    return Fraction(match["number"]) * scale


def equal_quantities(one: Any, other: Any) -> bool:
    """Whether both are quantities, and of the same number."""
    number = quantity(one)
    return number is not None and number == quantity(other)


def holds_quantity(plural: str, path: tuple[str, ...]) -> bool:
    """Whether a quantity stands at `path` (field names from the root, without indexes) of a type."""
    field, parent = path[-1], path[-2] if len(path) > 1 else ""
    if parent in _MAPS or field in _FIELDS:
        return True
    if parent in _LIMIT_RANGE_MAPS:
        return plural == "limitranges"
    return (parent, field) == ("target", "value")  # of a HorizontalPodAutoscaler's metric
