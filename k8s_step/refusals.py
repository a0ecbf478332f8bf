"""What an answer that is no success means: the API's Status as an error class, a proxy's words as what they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from k8s_step.errors import (
    ApiError,
    ConflictError,
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
    429: ThrottledError,
    502: ThrottledError,
    503: ThrottledError,
    504: ThrottledError,
}
_UNFIT = ("failed to create typed patch object", "failed to convert new object")
_UNFIT_PATCH = re.compile(
    r"does not contain declared merge key|doesn't match \$setElementOrder list|unknown patch type: "
    r"|merging lists cannot yet be specified in the patch|expected a \S+(?: \{\})?, but received a "
)
_HINTS = {401: "the token or certificate is unknown to this server, or has expired"}
# RFC 7234, 5.5: Warning: 299 - "text with \" and \\ escaped", several joined by commas.
_WARNING = re.compile(r'\b\d{3} (?:"[^"]*"|[^\s"]+) "((?:[^"\\]|\\.)*)"')


def parsed(raw: bytes) -> dict[str, Any] | None:
    """``raw`` as a JSON object, or ``None`` where it is none."""
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def refusal(code: int, content_type: str, raw: bytes, *, server: str, where: str | None = None) -> StepError:
    """The error for an answer of 300 and up.

    Only a Status is quoted. Anything else came from something in between, and what that says is never echoed: it
    may repeat the request with its token.
    """
    status = parsed(raw) or {}
    if status.get("kind") == "Status":
        return _said_by_kubernetes(code, status, where)
    if code == 400 and b"HTTP request to an HTTPS server" in raw:  # what Go's TLS server answers
        return UnreachableError(f"{server} speaks TLS", where=where, hint="use https://")
    if 300 <= code < 400:
        message = f"{server} answered {code}, a redirect, which is not followed with credentials"
        return UnreachableError(message, where=where, hint="use the API server's own address")
    if code in _CLASSES and code < 500:
        return _CLASSES[code](_unlike_kubernetes(server, code, content_type), code=code, where=where, hint=_hint(code))
    return UnreachableError(_unlike_kubernetes(server, code, content_type), where=where, hint="is a proxy in between?")


def misanswer(code: int, content_type: str, server: str) -> str:
    """What to say of a success that is not Kubernetes' own."""
    return f"{_unlike_kubernetes(server, code, content_type)}: is a proxy in between?"


def warnings(headers: Iterable[str]) -> tuple[str, ...]:
    """The texts of ``Warning`` headers: deprecated versions, unknown fields, admission's advice."""
    return tuple(re.sub(r"\\(.)", r"\1", text) for header in headers for text in _WARNING.findall(header))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a ``Retry-After``; the API server sends no dates."""
    text = headers.get("Retry-After") or ""
    return float(text) if text.isascii() and text.isdigit() else None


def _said_by_kubernetes(code: int, status: dict[str, Any], where: str | None) -> ApiError:
    message = str(status.get("message") or status.get("reason") or f"the server answered {code}")
    kind = InvalidError if code == 500 and _is_unfit(message) else _CLASSES.get(code, ApiError)
    return kind(message, code=code, status=status, where=where, hint=_HINTS.get(code))


def _is_unfit(message: str) -> bool:
    """An apply body or a strategic merge patch that does not fit the schema is a plain 500, though it will never fit.

    Source: ``structuredmerge.go`` of k8s.io/apimachinery's managedfields, ``errors.go`` of its mergepatch. A conversion
    by webhook may yet succeed.
    """
    if _UNFIT_PATCH.search(message):
        return True
    return message.startswith(_UNFIT) and "webhook" not in message


def _unlike_kubernetes(server: str, code: int, content_type: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    # A type nobody knows could carry anything: only the usual ones are named.
    said = f" with {kind}" if re.fullmatch(r"[a-z]+/[a-z0-9.+-]{1,40}", kind) else ""
    return f"{server} answered {code}{said}, not as Kubernetes does"


def _hint(code: int) -> str:
    return _HINTS.get(code, "is the server's address right, and is a proxy in between?")
