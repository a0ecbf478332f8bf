"""The step's exit codes, and its exception classes with the exit code that each ends the run with.

Only ``cli`` turns an exception into an exit status. The family, with exit codes where they change::

    StepError                            1    an expected error: one clear line, no traceback
    ├── InputError                       2    a bad option, template, manifest or kubeconfig
    │   ├── MissingFileError                  a file that is not there
    │   └── InputErrors                       several of them
    ├── UnreachableError                 5    no answer from the API server, or no whole one
    │   ├── TimedOutError                3    the server is there; --timeout ended first
    │   └── AnswerLostError                   the write may have been done
    ├── StoppedError                   143    the run is cancelled, nothing more is sent
    ├── ApiError                         4    the API server refused
    │   ├── ApiErrors                         several refusals about one object
    │   ├── UnauthorizedError                 401
    │   ├── ForbiddenError                    403
    │   ├── NotFoundError                     404
    │   ├── ConflictError                     409
    │   ├── GoneError                         410
    │   ├── UnsupportedMediaTypeError         415
    │   ├── InvalidError                      400, 422
    │   └── ThrottledError               5    429, or a server in trouble, longer than the retries lasted
    │       └── UnavailableError              503 of an aggregated API
    ├── ReportedError                    *    all lines are written; carries its own exit code
    └── BugError                        70    a mistake of our own
    CancelledError (BaseException)     143    SIGTERM; 130 for SIGINT
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """The step's exit codes, as the README lists them."""

    SUCCEEDED = 0
    FAILED = 1
    INVALID = 2
    TIMED_OUT = 3
    REFUSED = 4
    UNREACHABLE = 5
    ROLLED_BACK = 6
    BUG = 70
    INTERRUPTED = 130
    CANCELLED = 143


class StepError(Exception):
    """An expected error: one clear line for the user, no traceback.

    ``message`` names the fault; ``where`` is ``file:line`` or kind/namespace/name; ``hint`` is the user's next move.
    ``may_be_done``: the server may have carried out the failed request all the same.
    """

    exit_code = ExitCode.FAILED
    may_be_done = False

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{advice}"


class InputError(StepError):
    """A bad option, template, manifest or kubeconfig. No write has been sent to the server."""

    exit_code = ExitCode.INVALID


class MissingFileError(InputError):
    """A file that an option, a variable or another file names is not there; ``path`` is where it was looked for."""

    def __init__(self, message: str, *, path: str, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, where=where, hint=hint)
        self.path = path


class InputErrors(InputError):  # noqa: N818 - several, hence the plural
    """Several input errors raised as one (``errors``), so that the user can mend all of them at once."""

    def __init__(self, errors: list[InputError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


class UnreachableError(StepError):
    """The API server gave no answer, or an answer that broke off."""

    exit_code = ExitCode.UNREACHABLE


class TimedOutError(UnreachableError):
    """The API server is reachable, but ``--timeout`` ended before its answer came."""

    exit_code = ExitCode.TIMED_OUT


class AnswerLostError(UnreachableError):
    """The answer to a request that must not be repeated was lost: read the object before sending it again."""

    may_be_done = True


class StoppedError(StepError):
    """A request was given up after the run was cancelled; ``may_be_done`` is true where a try was sent before."""

    exit_code = ExitCode.CANCELLED


class CancelledError(BaseException):
    """SIGTERM (exit code 143) or SIGINT (130) arrived, and the main thread ends the run.

    Like ``KeyboardInterrupt`` it is a ``BaseException``, so that an ``except Exception`` cannot swallow it.
    """

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.CANCELLED) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class BugError(StepError):
    """A mistake in k8s-step itself; the message holds the traceback."""

    exit_code = ExitCode.BUG


class ApiError(StepError):
    """The API server refused a request.

    ``code`` is the HTTP status; ``status`` is the API's Status object, empty where the answer held no such object.
    """

    exit_code = ExitCode.REFUSED

    def __init__(
        self,
        message: str,
        *,
        code: int,
        status: Mapping[str, Any] | None = None,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.code = code
        self.status = status or {}

    @property
    def reason(self) -> str:
        """``reason`` of the Status, such as ``NotFound``; empty where the Status has none."""
        return str(self.status.get("reason") or "")

    @property
    def details(self) -> Mapping[str, Any]:
        """``details`` of the Status: the object's ``kind``, ``name`` and ``uid``, and the ``causes``; else empty."""
        return self.status.get("details") or {}

    @property
    def causes(self) -> list[Mapping[str, Any]]:
        """``details.causes`` of the Status, each a mapping with ``reason``, ``message`` and ``field``."""
        return list(self.details.get("causes") or [])

    @property
    def conflicts(self) -> list[Mapping[str, Any]]:
        """The causes that are fields of other managers: ``field`` names the field, ``message`` the manager."""
        return [cause for cause in self.causes if cause.get("reason") == "FieldManagerConflict"]

    @property
    def is_barred(self) -> bool:
        """Whether this verb is closed to us: 403, the token may not; 405, the kind does not have it."""
        return self.code in (403, 405)


class ApiErrors(ApiError):  # noqa: N818 - several, hence the plural
    """Several refusals about one object, each with its own ``where`` (``errors``)."""

    def __init__(self, errors: list[ApiError]) -> None:
        first = errors[0]
        super().__init__("\n".join(str(error) for error in errors), code=first.code, status=first.status)
        self.errors = errors


class UnauthorizedError(ApiError):
    """401: the server does not accept the token or certificate."""


class ForbiddenError(ApiError):
    """403: the user is known but not allowed to do this (RBAC, admission, quota)."""


class NotFoundError(ApiError):
    """404: the object, or its resource, does not exist."""


class ConflictError(ApiError):
    """409: another field manager owns the field, the resourceVersion is stale, or the name is taken."""


class GoneError(ApiError):
    """410: the resourceVersion or continue token is too old."""


class UnsupportedMediaTypeError(ApiError):
    """415: the resource does not support this patch type."""


class InvalidError(ApiError):
    """400 or 422: the server read the object and found it invalid."""


class ThrottledError(ApiError):
    """429, or a server in trouble, for longer than the retries lasted: not a refusal, hence exit code 5."""

    exit_code = ExitCode.UNREACHABLE


class UnavailableError(ThrottledError):
    """503: the extension server behind an aggregated API is unavailable; the API server itself works."""


class ReportedError(StepError):
    """All errors have been reported, one line each; this exception only carries the exit code."""

    def __init__(self, exit_code: ExitCode) -> None:
        super().__init__("reported")
        self.exit_code = exit_code


def single(error: StepError) -> Iterator[StepError]:
    """Yield each error of an ``InputErrors`` or ``ApiErrors``; any other error yields itself."""
    yield from error.errors if isinstance(error, (ApiErrors, InputErrors)) else (error,)
