"""The API server's errors about an object, field by field, read from each form in which the server writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from k8s_step.errors import ApiError

_SHOWN = 120  # characters of a rejected value; the API server dumps whole pod templates


@dataclass(frozen=True)
class FieldError:
    """One error. ``field``: the path as the server writes it, empty without one; ``message`` begins with that path."""

    field: str
    message: str


def field_errors(error: ApiError) -> list[FieldError]:
    """The field errors in ``error``, each once; its whole message as one where it names no field."""
    found = dict.fromkeys(one for read in _READERS for one in read(error))
    return list(found) or [FieldError("", error.message)]


def _causes(error: ApiError) -> Iterator[FieldError]:
    """``details.causes`` of a Status, as validation fills it."""
    for cause in error.causes:
        field, message = str(cause.get("field") or ""), str(cause.get("message") or "")
        # "<nil>" stands for the whole object; that cause says only that some rules have not been checked yet.
        if field and field != "<nil>" and cause.get("reason") != "FieldManagerConflict":
            yield FieldError(field, f"{field}: {_shortened(message)}")


_PATH = r"\.(?:\[[^\]]*\]|[^\s:\[])+"
_TYPED = re.compile(rf"^(?:.*?\): (?:errors:)?)?\s*({_PATH}): (.*)$", re.MULTILINE)
_GO_VALUE = re.compile(r"&value\.valueUnstructured\{Value:(.*)\}")
_GO_POINTER = re.compile(r"(?<=got )&\{(.*)\}$")


def _typed_patch(error: ApiError) -> Iterator[FieldError]:
    """Schema errors of an apply. Source: ``ValidationErrors`` of structured-merge-diff's ``typed`` package."""
    if "failed to create typed patch object" not in error.message:
        return
    for path, message in _TYPED.findall(error.message):
        yield FieldError(path, f"{path}: {_GO_POINTER.sub(_as_text, _GO_VALUE.sub(_as_text, message))}")


def _as_text(found: re.Match[str]) -> str:
    return found[1]


_STRICT = re.compile(r'((?:unknown|duplicate) field "([^"]+)")')
_UNMARSHAL = re.compile(r"(cannot unmarshal (?:.+) into Go struct field \w+\.(\S+) of type \S+)")


def _strict_decoding(error: ApiError) -> Iterator[FieldError]:
    """Errors of a create or update. Source: ``runtime.NewStrictDecodingError``, Go's ``json.UnmarshalTypeError``."""
    if "cannot be handled as" not in error.message and "strict decoding error" not in error.message:
        return
    for message, field in (*_STRICT.findall(error.message), *_UNMARSHAL.findall(error.message)):
        yield FieldError(field, message)


_READERS: tuple[Callable[[ApiError], Iterator[FieldError]], ...] = (_causes, _typed_patch, _strict_decoding)
_VALUE = re.compile(r"^(Invalid value: )(.*)(: [^:]+(?:: [^:\"]+)?)$", re.DOTALL)


def _shortened(message: str) -> str:
    """``message`` without a long rejected value.

    A refused pod update also loses the diff that ``ValidatePodUpdate`` appends, which holds the pod's environment.
    """
    if "may not change fields other than" in message:
        return message.partition("\n")[0]
    found = _VALUE.match(message)
    if found is None or len(found[2]) <= _SHOWN:
        return message
    return f"{found[1]}…{found[3]}"


# Messages about wrong types: of an apply (structured-merge-diff), of other writes (Go's encoding/json), and of a
# strategic merge patch; each with the next move.
_WRONG_TYPES: tuple[tuple[str, str], ...] = (
    (
        r"unrecognized type: string",
        "put it in quotes: without them 6063e25 is a number to YAML, and yes is a boolean",
    ),
    (
        r"expected string, got (?:true|false)$|cannot unmarshal bool .* of type string",
        "put it in quotes: yes, no, on and off without them are booleans to YAML",
    ),
    (
        r"expected string, got [-+0-9.]|cannot unmarshal number .* of type string|convert (?:int|float)64 to string",
        "put it in quotes: without them it is a number to YAML, and so is a commit such as 6063e25",
    ),
    (
        r"expected string, got (?:map|\[)|cannot unmarshal (?:object|array) .* of type string",
        "text is wanted here: a block that begins with | is text, whatever is in it",
    ),
    (
        r"expected (?:numeric|boolean).*, got|cannot unmarshal string .* of type \*?(?:u?int|float|bool)"
        r"|convert string to (?:int|float|bool)",
        "write it without quotes",
    ),
)


def type_advice(message: str) -> str:
    """The next move for a message about a value of the wrong type; empty for any other message."""
    return next((advice for pattern, advice in _WRONG_TYPES if re.search(pattern, message)), "")
