"""Recognizes inputs that are a masked secret or an unreplaced variable in place of the value."""

from __future__ import annotations

import re

_VARIABLE = re.compile(r"\$\{\{.*\}\}|\$\{?\w+\}?|\$\(\w+\)|%\w+%|\$env:\w+|\{\{.*\}\}", re.S)
MASKED = "is made of asterisks: it was copied from where it is masked"
UNREPLACED = "is the name of a variable that nothing has replaced by its value"


def is_masked(value: str) -> bool:
    """Whether ``value`` is a secret as CI systems show it: only asterisks or bullets."""
    return not value.strip("*•")


def is_unreplaced(value: str) -> bool:
    """Whether ``value`` is a variable or expression that a shell or CI system should have replaced."""
    return bool(_VARIABLE.fullmatch(value))
