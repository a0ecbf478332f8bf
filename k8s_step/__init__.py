"""The pipeline step that ships a release to Kubernetes and tells the truth about it.

From Python: :class:`Cluster`, what its methods return, and the errors that they raise. Each name is imported when it is
first used, so that ``import k8s_step`` alone costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from k8s_step.cluster import Applied, Cluster, Progress, Verdict, release
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
    from k8s_step.keywords import EnvironmentSettings, ReleaseOptions, Settings
    from k8s_step.objects.body import PatchType
    from k8s_step.report.results.document import Failure, ObjectResult, Problem, Result, Rollback
    from k8s_step.verdict.states import State
    from k8s_step.watching.changes import Change

__all__ = [
    "AnswerLostError",
    "ApiError",
    "Applied",
    "Change",
    "Cluster",
    "ConflictError",
    "EnvironmentSettings",
    "Failure",
    "ForbiddenError",
    "GoneError",
    "InputError",
    "InvalidError",
    "NotFoundError",
    "ObjectResult",
    "PatchType",
    "Problem",
    "Progress",
    "ReleaseOptions",
    "Result",
    "Rollback",
    "Settings",
    "State",
    "StepError",
    "StoppedError",
    "ThrottledError",
    "TimedOutError",
    "UnauthorizedError",
    "UnreachableError",
    "UnsupportedMediaTypeError",
    "Verdict",
    "release",
]
_HOMES = {
    "PatchType": "objects.body",
    "State": "verdict.states",
    "Change": "watching.changes",
    **dict.fromkeys(("Applied", "Cluster", "Progress", "Verdict", "release"), "cluster"),
    **dict.fromkeys(("EnvironmentSettings", "ReleaseOptions", "Settings"), "keywords"),
    **dict.fromkeys(("Failure", "ObjectResult", "Problem", "Result", "Rollback"), "report.results.document"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"k8s_step.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package, whose name ``release`` is the public function.

    Python binds a subpackage to its name in the package as soon as it is imported, here ``k8s_step.release``; imports
    from that subpackage do not need the binding.
    """

    @property
    def release(self) -> Any:
        """:func:`k8s_step.cluster.release`."""
        return __getattr__("release")

    @release.setter
    def release(self, _: ModuleType) -> None:
        """Python's binding of the subpackage is dropped."""


sys.modules[__name__].__class__ = _Package
