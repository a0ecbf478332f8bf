"""The pipeline step that ships a release to Kubernetes and tells the truth about it.

From Python: :class:`Cluster`, what its methods return, and the errors that they raise. Each name is imported when it is
first used, so that ``import k8s_step`` alone costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from k8s_step.cluster import Applied, Cluster
    from k8s_step.errors import (
        AnswerLostError,
        ApiError,
        ConflictError,
        ForbiddenError,
        GoneError,
        InputError,
        InvalidError,
        NotFoundError,
        StepError,
        StoppedError,
        ThrottledError,
        TimedOutError,
        UnauthorizedError,
        UnreachableError,
        UnsupportedMediaTypeError,
    )
    from k8s_step.objects.body import PatchType

__all__ = [
    "AnswerLostError",
    "ApiError",
    "Applied",
    "Cluster",
    "ConflictError",
    "ForbiddenError",
    "GoneError",
    "InputError",
    "InvalidError",
    "NotFoundError",
    "PatchType",
    "StepError",
    "StoppedError",
    "ThrottledError",
    "TimedOutError",
    "UnauthorizedError",
    "UnreachableError",
    "UnsupportedMediaTypeError",
]
_HOMES = {"Applied": "k8s_step.cluster", "Cluster": "k8s_step.cluster", "PatchType": "k8s_step.objects.body"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "k8s_step.errors")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
