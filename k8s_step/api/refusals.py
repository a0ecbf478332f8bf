"""Error classes for answers that are no success: by the API's Status, or for an answer that a proxy wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from k8s_step.connection.ailments import UNFIT, Ailment, ErrorAnswer
from k8s_step.connection.exchange.transport import parsed
from k8s_step.errors import (
    ApiError,
    ConflictError,
    ExitCode,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    StepError,
    ThrottledError,
    UnauthorizedError,
    UnreachableError,
    UnsupportedMediaTypeError,
)

_CLASSES: dict[int, type[ApiError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    415: UnsupportedMediaTypeError,
    422: InvalidError,
}
_READ = 500  # characters of a plain-text answer that are read
_HINTS = {401: "the token or certificate is unknown to this server, or has expired"}
# RFC 7234, 5.5: Warning: 299 - "text with \" and \\ escaped", several joined by commas.
_WARNING = r'\b\d{3} (?:"[^"]*"|[^\s"]+) "((?:[^"\\]|\\.)*)"'


def error_answer(code: int, raw: bytes, **request: Any) -> ErrorAnswer:
    """An answer of code 300 or above as data; ``request``: the fields of :class:`ErrorAnswer` about the request."""
    status = parsed(raw) or {}
    if status.get("kind") != "Status":
        text = raw[: _READ * 4].decode(errors="replace")[:_READ]
        return ErrorAnswer(code, text, is_status=False, **request)
    details = status.get("details") or {}
    causes = tuple(str(cause.get("reason") or "") for cause in details.get("causes") or ())
    kind, reason = str(details.get("kind") or ""), str(status.get("reason") or "")
    message = str(status.get("message") or "")
    conflicts = tuple(cause for cause in causes if cause == "FieldManagerConflict")
    return ErrorAnswer(code, message, reason, kind, conflicts, **request)


def refusal(
    found: ErrorAnswer, ailment: Ailment, content_type: str, raw: bytes, *, server: str, where: str | None = None
) -> StepError:
    """The error for an answer with code 300 or above.

    The message quotes a Status, or fixed phrases of the API server in a plain text. The text of any other answer is
    never shown: a proxy may have written it, and it may repeat the request with its token.
    """
    code = found.code
    if found.is_status:
        return _said_by_kubernetes(code, parsed(raw) or {}, ailment, where)
    if code == 400 and b"HTTP request to an HTTPS server" in raw:  # what Go's TLS server answers
        return UnreachableError(f"{server} speaks TLS", where=where, hint="use https://")
    if 300 <= code < 400:
        message = f"{server} answered {code}, a redirect, which is not followed with credentials"
        return UnreachableError(message, where=where, hint="use the API server's own address")
    words = ailment.quoted(found.message)
    if words:
        return ThrottledError(f"{server} answered {code}: {words}", code=code, where=where, hint=ailment.hint)
    if code == 429:
        return ThrottledError(_unlike_kubernetes(server, code, content_type), code=code, where=where, hint=_hint(code))
    if code in _CLASSES:
        return _CLASSES[code](_unlike_kubernetes(server, code, content_type), code=code, where=where, hint=_hint(code))
    return UnreachableError(_unlike_kubernetes(server, code, content_type), where=where, hint="is a proxy in between?")


def misanswer(code: int, content_type: str, server: str) -> str:
    """The message for a successful answer that is not Kubernetes' own."""
    return f"{_unlike_kubernetes(server, code, content_type)}: is a proxy in between?"


def warnings(headers: Iterable[str]) -> tuple[str, ...]:
    """The texts of ``Warning`` headers: deprecated versions, unknown fields, admission's advice."""
    return tuple(re.sub(r"\\(.)", r"\1", text) for header in headers for text in re.findall(_WARNING, header))


def _said_by_kubernetes(code: int, status: dict[str, Any], ailment: Ailment, where: str | None) -> ApiError:
    message = str(status.get("message") or status.get("reason") or f"the server answered {code}")
    hint = ailment.hint or _HINTS.get(code)
    return _class(code, ailment)(message, code=code, status=status, where=where, hint=hint)


def _class(code: int, ailment: Ailment) -> type[ApiError]:
    if ailment is UNFIT:
        return InvalidError
    if ailment.ends is ExitCode.UNREACHABLE:
        return ThrottledError
    return _CLASSES.get(code, ApiError)


def _unlike_kubernetes(server: str, code: int, content_type: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    # The Content-Type is shown only if it looks like one, since a proxy could put any text into that header.
    said = f" with {kind}" if re.fullmatch(r"[a-z]+/[a-z0-9.+-]{1,40}", kind) else ""
    return f"{server} answered {code}{said}, not as Kubernetes does"


def _hint(code: int) -> str:
    return _HINTS.get(code, "is the server's address right, and is a proxy in between?")
