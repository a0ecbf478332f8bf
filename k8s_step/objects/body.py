"""The body of a request: its content type and its bytes."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Any

from k8s_step.errors import InputError


class PatchType(StrEnum):
    """The four patch types; the values are their content types."""

    STRATEGIC = "application/strategic-merge-patch+json"
    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"


# The server reads an apply body as YAML, of which JSON is a subset with two exceptions. YAML does not join surrogate
# pairs such as JSON's \ud83d\ude00, so such characters are sent unescaped; and it rejects raw control characters.
_UNPRINTABLE_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def encode(value: Any) -> bytes:
    """``value`` as compact UTF-8 JSON that is also YAML, so that one body serves every content type."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    printable = _UNPRINTABLE_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    try:
        return printable.encode()
    except UnicodeEncodeError as error:
        hint = "is a variable of the environment not UTF-8?"
        raise InputError("a value is not text: it holds bytes that are no Unicode", hint=hint) from error
