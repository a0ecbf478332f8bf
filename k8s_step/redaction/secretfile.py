"""Files that hold a secret. The secret itself may stand where its file's path belongs, so only a path is repeated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from k8s_step.errors import InputError
from k8s_step.redaction.redactor import Redactor

_LONGEST_PART = 255  # bytes of a file's name, on every system
_SHORTEST_SECRET = 16  # characters; shorter texts may be words, which would be masked everywhere
_CONTENT = re.compile(r"[\x00-\x1f\x7f]|[{}\"]|:\s")
_IN_NO_PATH = re.compile(r"[\s{}\"']|-----")
_FILE_NAME = re.compile(
    r"[\w.-]{0,64}\.(?:cfg|conf|config|cer|crt|env|ini|json|jwt|key|pem|properties|token|txt|ya?ml)", re.ASCII | re.I
)
_ENCODED = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])(?!/)[A-Za-z0-9+/]{32,}={0,2}")


class SecretFile(NamedTuple):
    """A file with a secret, as a setting names it.

    ``text``: the path, or by mistake the secret; ``origin``: the option, variable or field that holds it; ``folder``:
    where a relative path starts.
    """

    text: str
    origin: str
    folder: Path = Path()

    def __repr__(self) -> str:
        return f"SecretFile({self.origin})"

    @property
    def path(self) -> Path:
        """The file's path."""
        return self.folder / self.text

    @property
    def name(self) -> str:
        """Its name for messages: the path, or the setting where the text may be the secret itself."""
        return str(self.path) if self.is_path else self.origin

    @property
    def is_path(self) -> bool:
        """Whether ``text`` can be a path, and may be repeated."""
        return is_path(self.text, self.folder)

    def check(self, redactor: Redactor | None = None, where: str | None = None) -> None:
        """Raise :class:`InputError` where ``text`` may be the secret itself; ``redactor`` learns it."""
        if self.is_path:
            return
        if redactor is not None:
            redactor.add(misplaced(self.text))
        raise refusal(self.origin, where)


def is_path(text: str, folder: Path = Path()) -> bool:
    """Whether ``text`` can be a path, seen from ``folder``: a file that is there, or a text with a path's shape."""
    if is_there(folder / text):
        return True
    if is_content(text) or _IN_NO_PATH.search(text):
        return False
    return bool(_FILE_NAME.fullmatch(text)) or ("/" in text and not _ENCODED.fullmatch(text))


def is_content(text: str) -> bool:
    """Whether ``text`` is content of a file and no path: lines, JSON, ``key: value``, or longer than a file's name."""
    if is_there(Path(text)):
        return False
    parts = text.encode("utf-8", "surrogatepass").split(b"/")
    return bool(_CONTENT.search(text)) or any(len(part) > _LONGEST_PART for part in parts)


def is_there(path: Path) -> bool:
    """Whether ``path`` exists; false for a text that no file can be called, such as a long token."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def misplaced(text: str) -> str | None:
    """``text``, which stands where a path belongs, if it is to be masked; ``None`` if it may be a mere word."""
    return text if len(text.strip()) >= _SHORTEST_SECRET else None


def refusal(origin: str, where: str | None = None) -> InputError:
    """The error for a text in ``origin`` that is no path."""
    message = f"{origin} names no file; its value is not shown, as it may be the secret itself"
    return InputError(message, where=where, hint="the path of a file belongs there")
