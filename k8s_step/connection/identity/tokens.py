"""Hints about bearer tokens that are no tokens, and about missing ones. No hint quotes a token."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from k8s_step.connection.identity.oidc import claims
from k8s_step.connection.kubeconfig import base64_text
from k8s_step.connection.pasted import MASKED, UNREPLACED, is_masked, is_unreplaced

_PATH = re.compile(r"(?:~|\.{1,2})?/.+|[A-Za-z]:\\.+")
_PLAIN = re.compile(r"[\x21-\x7e]{16,}")  # long enough not to be base64 of text by chance
_NO_VALUE = ("null", "undefined", "none", "nil", "<no value>")


def looks_like(token: str) -> str | None:
    """A hint for a refused token that has the shape of something else; ``None`` if it may be a token."""
    token = token.strip()
    return next((told for is_so, told in _SHAPES if is_so(token)), None)


def _is_quoted(token: str) -> bool:
    return len(token) > 1 and token[0] in "\"'`" and token[-1] == token[0]


def _is_path(token: str) -> bool:
    try:
        return bool(_PATH.fullmatch(token)) or Path(token).is_file()
    except (OSError, ValueError):
        return False


def _is_encoded(token: str) -> bool:
    text = (base64_text(token) or "").strip()
    return bool(claims(text)) or bool(_PLAIN.fullmatch(text))


_SHAPES: tuple[tuple[Callable[[str], object], str], ...] = (
    (is_masked, f"the token {MASKED}"),
    (_is_quoted, "the token is in quotes, which its variable holds too: give it without"),
    (is_unreplaced, f"the token {UNREPLACED}"),
    (lambda token: token.lower() in _NO_VALUE, "the token is a word for nothing: whatever was to give it had none"),
    (lambda token: token.lower().startswith("bearer "), "the token begins with the word Bearer: give it without"),
    (lambda token: token.startswith("-----BEGIN"), "the token is a certificate or a key, in PEM"),
    (lambda token: token[:1] in "{[<", "the token is JSON, or another document: give the token in it alone"),
    (lambda token: "apiVersion:" in token, "the token is a kubeconfig: give that as K8S_KUBECONFIG"),
    (_is_path, "the token looks like a path: a file is given with --token-file or K8S_TOKEN_FILE"),
    (_is_encoded, "the token looks like base64 of a token, as a Secret's data have it: decode it (base64 -d)"),
)


def none_given(environ: Mapping[str, str], names: Iterable[str]) -> str:
    """``no token was given: K8S_TOKEN is empty``, with usual causes; ``names`` are the variables for credentials."""
    empty = [name for name in names if name in environ and not environ[name].strip()]
    if not empty:
        return "no token was given: neither --token nor K8S_TOKEN, nor any other credential, is set"
    are = "are" if len(empty) > 1 else "is"
    why = "a secret is empty where its name is misspelt, in a fork's pull request, and on a branch it is protected from"
    return f"no token was given: {' and '.join(empty)} {are} empty; {why}"
