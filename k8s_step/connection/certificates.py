"""Reads the cluster's CA from an input: PEM text, even without its line breaks, base64 of PEM, or a file's path."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from k8s_step.connection.kubeconfig import base64_text
from k8s_step.errors import InputError, MissingFileError
from k8s_step.redaction.secretfile import is_path

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_BLOCK = re.compile(rf"{BEGIN}(.*?){END}", re.S)
_BREAKS = re.compile(r"\\[rn]|\s")  # line breaks, also as a JSON string or a shell writes them
_LINE = 64


def read_ca(value: str, source: str) -> tuple[bytes, str]:
    """The PEM in ``value`` and its name for messages; ``source``: the flag or variable. Raises :class:`InputError`."""
    for text in (value, base64_text(value), base64_text(base64_text(value) or "")):
        if text and BEGIN in text:
            return _mended(text, source).encode(), source
    return _of_file(value, source)


def _mended(text: str, source: str) -> str:
    """The certificates with their line breaks restored, as OpenSSL needs them; other text is dropped."""
    if text.count(BEGIN) != len(_BLOCK.findall(text)):
        hint = "was it given without its last lines?"
        raise InputError("a certificate has its BEGIN line, but no END line after it", where=source, hint=hint)
    blocks = [_BREAKS.sub("", block).strip("\"'") for block in _BLOCK.findall(text)]
    if not all(map(_is_base64, blocks)):
        raise InputError("a certificate in it is not base64 between BEGIN and END", where=source)
    lines = [
        "\n".join([BEGIN, *(block[at : at + _LINE] for at in range(0, len(block), _LINE)), END]) for block in blocks
    ]
    return "\n".join(lines) + "\n"


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def _of_file(value: str, source: str) -> tuple[bytes, str]:
    is_named = is_path(value)
    name = f"{source} {value}" if is_named else source
    try:
        pem = Path(value).read_bytes()
    except FileNotFoundError:
        message = f"{name} is no PEM text, no base64 of it and no file that can be read"
        raise (MissingFileError(message, path=value) if is_named else InputError(message)) from None
    except (OSError, ValueError):
        raise InputError(f"{name} is no PEM text, no base64 of it and no file that can be read") from None
    if BEGIN.encode() not in pem:
        raise InputError(f"{name} holds no PEM certificate")
    return pem, name
