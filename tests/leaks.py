"""No secret that a test gives to the step may come out of it: everything that a run wrote is searched for them.

Written without a look at ``redaction``, which it is there to check.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import yaml

SHORTEST = 8  # characters; shorter ones are found in ordinary words
_SECRET_NAMES = ("TOKEN", "PASSWORD", "SECRET", "ACCESS_KEY")
_RESULT_FILES = ("report", "junit", "dotenv", "output-file")
_RUNNER_FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
_MANIFESTS = ("*.yaml", "*.yml", "*.json")


def planted(arguments: Sequence[str], environ: Mapping[str, str], stdin: str, folder: Path) -> set[str]:
    """The secrets that a run is given: tokens, what is in its kubeconfig, the values of Secrets in its manifests."""
    found = {value for name, value in environ.items() if name.endswith(_SECRET_NAMES)}
    found.update(_given("token", arguments, environ))
    texts = [stdin, *(path.read_text(errors="replace") for path in _files(arguments, environ, folder))]
    for text in texts:
        found.update(in_text(text))
    return {value for value in found if len(value) >= SHORTEST}


def written(arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What a run left in files for people and for CI systems."""
    names = [path for option in _RESULT_FILES for path in _given(option, arguments, environ)]
    names += [environ[name] for name in _RUNNER_FILES if name in environ]
    paths = {name: folder / name for name in names}
    return {name: path.read_text(errors="replace") for name, path in paths.items() if path.is_file()}


def leaks(texts: Mapping[str, str], secrets: Iterable[str]) -> list[str]:
    """Where which secret came out, in which form; but for the commands that tell GitHub's runner what to mask."""
    shown = {name: re.sub("(?m)^::add-mask::.*$", "", text) for name, text in texts.items()}
    searched = [(form, word, secret) for secret in secrets for form, word in forms(secret)]
    return [
        f"{name} holds {secret[:4]}… ({form})"
        for name, text in shown.items()
        for form, word, secret in searched
        if word in text
    ]


def forms(secret: str) -> Iterator[tuple[str, str]]:
    """What a secret may look like in a log."""
    text = secret.strip()
    yield "plain", text
    yield from (("a line", line.strip()) for line in text.splitlines() if len(line.strip()) >= SHORTEST)
    raw = secret.encode("utf-8", "surrogateescape")
    for each in (raw, raw.strip()):
        yield "base64", base64.b64encode(each).decode().rstrip("=")
        yield "base64 for URLs", base64.urlsafe_b64encode(each).decode().rstrip("=")
    for skipped in range(3) if len(raw) > SHORTEST else ():
        start = -(-skipped * 8 // 6)
        yield "within base64", base64.b64encode(bytes(skipped) + raw).decode()[start : (skipped + len(raw)) * 8 // 6]
    yield "in a URL", quote(text, "", errors="surrogateescape")
    yield "in a form", quote_plus(text, errors="surrogateescape")
    yield "in JSON", json.dumps(text)[1:-1]
    yield "in JSON", json.dumps(text, ensure_ascii=False)[1:-1]


def _given(option: str, arguments: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """What an option is set to, by flag or by variable."""
    flag, upper = f"--{option}", option.upper()
    names = (f"INPUT_{upper}", f"K8S_{upper.replace('-', '_')}")
    found = [after for before, after in pairwise(arguments) if before == flag]
    found += [word.partition("=")[2] for word in arguments if word.startswith(f"{flag}=")]
    return [text for text in (*found, *(environ.get(name, "") for name in names)) if text]


def _files(arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> Iterator[Path]:
    """Files that are named anywhere, as manifests, kubeconfig or token file, and those in folders that are."""
    listed = [part for text in environ.values() for part in re.split(r"[:,\n]", text)]
    for word in {*arguments, *listed}:
        path = folder / word if 0 < len(word) < 300 and "\0" not in word else folder
        if path.is_file() and path.stat().st_size < 2**22:
            yield path
        elif path.is_dir() and (word in (".", "./") or folder in path.resolve().parents):
            yield from (found for pattern in _MANIFESTS for found in path.rglob(pattern))


def in_text(text: str) -> Iterator[str]:
    """The secrets in manifests or a kubeconfig."""
    if "Secret" not in text and "users" not in text:
        return
    try:
        documents = list(yaml.load_all(text, yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError):
        return  # tests of broken manifests have their own eyes
    for document in documents:
        for item in _items(document):
            yield from values(item) if item.get("kind") == "Secret" else _of_users(item)


def _items(document: Any) -> list[dict[str, Any]]:
    if not isinstance(document, dict):
        return []
    listed = document.get("items")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else [document]


def values(secret: Mapping[str, Any]) -> Iterator[str]:
    """The values of a Secret, decoded."""
    data, strings = (secret.get(field) for field in ("data", "stringData"))
    for value in strings.values() if isinstance(strings, dict) else ():
        if isinstance(value, str) and "${" not in value:
            yield value
    for value in data.values() if isinstance(data, dict) else ():
        if isinstance(value, str) and "${" not in value:
            yield from _decoded(value)


def _of_users(config: Mapping[str, Any]) -> Iterator[str]:
    users = config.get("users") if config.get("kind") == "Config" else None
    for entry in users or []:
        user = entry.get("user") or {}
        yield from (user[key] for key in ("token", "password") if isinstance(user.get(key), str))
        yield from _decoded(user.get("client-key-data") or "")
        yield from _of_plugin(user.get("exec") or {})


def _of_plugin(plugin: Mapping[str, Any]) -> Iterator[str]:
    """Secrets in the arguments and the environment of a credential plugin."""
    for each in plugin.get("env") or []:
        if str(each.get("name")).endswith(_SECRET_NAMES):
            yield str(each.get("value"))
    yield from (after for before, after in pairwise(plugin.get("args") or []) if before.endswith("-secret"))


def _decoded(value: str) -> Iterator[str]:
    try:
        yield base64.b64decode(value, validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        yield value
