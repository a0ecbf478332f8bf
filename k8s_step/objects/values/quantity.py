"""Kubernetes' quantities (``500m``, ``1Gi``, ``2e3``) as numbers; pure.

Source: ``pkg/api/resource/quantity.go`` of k8s.io/apimachinery.
"""

from __future__ import annotations

import re
from fractions import Fraction

_QUANTITY = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII)
_POWERS = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def parse(text: str) -> Fraction | None:
    """The number that ``text`` stands for; ``None`` for what is no quantity."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    number, exponent, suffix = found.groups()
    base, power = (10, int(exponent[1:])) if exponent else (1000, _POWERS.get(suffix or "", 0))
    if suffix in _BINARY:
        base, power = 1024, _BINARY[suffix]
    factor = Fraction(base**power) if power >= 0 else Fraction(1, base**-power)
    return Fraction(number) * factor
