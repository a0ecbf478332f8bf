"""Everything that can go wrong, each with the exit code it ends in.

``cli`` is the one place where these become an exit status; nothing else calls ``sys.exit``.
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

    ``message`` says what; ``where`` is ``file:line`` or kind/namespace/name; ``hint`` is the next move.
    ``may_be_done``: the server may have done what it was asked all the same.
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
    """A bad option, template, manifest or kubeconfig: nothing that changes anything was sent."""

    exit_code = ExitCode.INVALID


class InputErrors(InputError):  # noqa: N818 - several, hence the plural
    """Several bad inputs found in one go, so that the user mends them in one go."""

    def __init__(self, errors: list[InputError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


class UnreachableError(StepError):
    """The API server gave no answer, or no whole one."""

    exit_code = ExitCode.UNREACHABLE


class TimedOutError(UnreachableError):
    """The server is there, and the time given to the run was over before it had answered."""

    exit_code = ExitCode.TIMED_OUT


class AnswerLostError(UnreachableError):
    """The answer to a request that must not be repeated blindly was lost: look before repeating it."""

    may_be_done = True


class StoppedError(StepError):
    """Nothing more is sent, as the run has been cancelled; ``may_be_done`` tells of what was sent before."""

    exit_code = ExitCode.CANCELLED


class CancelledError(BaseException):
    """SIGTERM or SIGINT arrived, and the main thread is to end the run; ``exit_code`` tells which.

    No :class:`Exception`, as KeyboardInterrupt is none: what deals with an error of its own must not swallow it.
    """

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.CANCELLED) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class BugError(StepError):
    """A mistake of our own; the message holds the traceback."""

    exit_code = ExitCode.BUG


class ApiError(StepError):
    """The API server said no.

    ``status`` is the API's Status object (empty where the answer was none), ``code`` the HTTP status.
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
        """The machine-readable reason of the API's Status, such as ``NotFound``."""
        return str(self.status.get("reason") or "")

    @property
    def causes(self) -> list[Mapping[str, Any]]:
        """``details.causes`` of the API's Status: ``{"reason", "message", "field"}`` each."""
        return list((self.status.get("details") or {}).get("causes") or [])


class ApiErrors(ApiError):  # noqa: N818 - several, hence the plural
    """Several things wrong with one object, each with its own place."""

    def __init__(self, errors: list[ApiError]) -> None:
        first = errors[0]
        super().__init__("\n".join(str(error) for error in errors), code=first.code, status=first.status)
        self.errors = errors


class UnauthorizedError(ApiError):
    """401: the server does not know this token or certificate."""


class ForbiddenError(ApiError):
    """403: known, but not allowed (RBAC, admission, quota)."""


class NotFoundError(ApiError):
    """404."""


class ConflictError(ApiError):
    """409: another field manager, a stale resourceVersion, or a name already taken."""


class GoneError(ApiError):
    """410: the resourceVersion or continue token is too old."""


class UnsupportedMediaTypeError(ApiError):
    """415: a patch type this resource does not take."""


class InvalidError(ApiError):
    """400 or 422: the server read the object and found it wrong."""


class ThrottledError(ApiError):
    """429, or the server's own trouble, where it lasted longer than the retries: no refusal."""

    exit_code = ExitCode.UNREACHABLE


class UnavailableError(ThrottledError):
    """503: the server behind an aggregated API is away; what Kubernetes serves itself is not."""


class ReportedError(StepError):
    """What went wrong has been told already, one line each; only the exit code is left to say."""

    def __init__(self, exit_code: ExitCode) -> None:
        super().__init__("reported")
        self.exit_code = exit_code


def single(error: StepError) -> Iterator[StepError]:
    """Each of several errors that were raised as one."""
    yield from error.errors if isinstance(error, (ApiErrors, InputErrors)) else (error,)
