"""Values that were not what they were meant to be when they reached the step, by their looks."""

from __future__ import annotations

import re

_VARIABLE = re.compile(r"\$\{\{.*\}\}|\$\{?\w+\}?|\$\(\w+\)|%\w+%|\$env:\w+|\{\{.*\}\}", re.S)
MASKED = "is made of asterisks: it was copied from where it is masked"
UNREPLACED = "is the name of a variable that nothing has replaced by its value"


def is_masked(value: str) -> bool:
    """Whether it is what a CI system shows of a secret."""
    return not value.strip("*•")


def is_unreplaced(value: str) -> bool:
    """Whether it is a variable, or an expression, as a shell or a CI system would have to replace it."""
    return bool(_VARIABLE.fullmatch(value))
