"""No secret that a test gives to the step may come out of it: everything that a run wrote is searched for them.

A Secret's value that equals a name in the manifests is none (docs/secrets.md); a token is one whatever it equals.
Written without a look at ``redaction``, which it is there to check.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import yaml

SHORTEST = 8  # characters; shorter ones are found in ordinary words
_SECRET_NAMES = ("TOKEN", "PASSWORD", "SECRET", "ACCESS_KEY")
# Of results, actions and states: a Secret that holds no more than one of them holds no secret.
_WORDS = frozenset(
    [
        "succeeded",
        "timed_out",
        "unreachable",
        "rolled_back",
        "cancelled",
        "unfinished",
        "configured",
        "unchanged",
        "terminating",
        "restarted",
        "in progress",
        "not found",
    ]
)
_RESULT_FILES = ("report", "junit", "dotenv", "output-file")
_RUNNER_FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
_MANIFESTS = ("*.yaml", "*.yml", "*.json")


def planted(arguments: Sequence[str], environ: Mapping[str, str], stdin: str, folder: Path) -> set[str]:
    """The secrets that a run is given: tokens, what is in its kubeconfig, the values of Secrets in its manifests."""
    found = {value for name, value in environ.items() if name.endswith(_SECRET_NAMES)}
    found.update(_given("token", arguments, environ))
    names = named(arguments, environ, stdin, folder)
    for item in _all_items(arguments, environ, stdin, folder):
        found.update((set(values(item)) - names) if item.get("kind") == "Secret" else _of_users(item))
    return {value for value in found if len(value) >= SHORTEST}


def named(arguments: Sequence[str], environ: Mapping[str, str], stdin: str, folder: Path) -> set[str]:
    """The names in its manifests and of its files, the parts of images, words of results: what can't be kept secret."""
    files = [*_given("filename", arguments, environ), *_after("-f", arguments)]
    found = {*_given("namespace", arguments, environ), *_after("-n", arguments), *_WORDS}
    found.update(part for file in files for part in (file, *Path(file).parts))
    items = list(_all_items(arguments, environ, stdin, folder))
    for item in items if any(item.get("kind") == "Secret" for item in items) else ():
        for key, text in _texts(item, ("data", "stringData", "annotations")):
            if key in ("name", "namespace", "kind", "image") or key.endswith("Name"):
                found |= {text, *(re.split("[/:@]", text) if key == "image" else ())}
    return found


def _all_items(
    arguments: Sequence[str], environ: Mapping[str, str], stdin: str, folder: Path
) -> Iterator[dict[str, Any]]:
    for text in (stdin, *(path.read_text(errors="replace") for path in _files(arguments, environ, folder))):
        yield from _objects_in(text)


def written(arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What a run left in files for people and for CI systems."""
    names = [path for option in _RESULT_FILES for path in _given(option, arguments, environ)]
    names += [environ[name] for name in _RUNNER_FILES if name in environ]
    paths = {name: folder / name for name in names}
    return {name: path.read_text(errors="replace") for name, path in paths.items() if path.is_file()}


def leaks(texts: Mapping[str, str], secrets: Iterable[str], names: Iterable[str] = ()) -> list[str]:
    """Where which secret came out, in which form; but for the commands that tell GitHub's runner what to mask.

    What stands there because it is, or is a part of, one of the ``names`` did not come out.
    """
    shown = {name: re.sub("(?m)^::add-mask::.*$", "", text) for name, text in texts.items()}
    known = set(names)
    searched = [(form, word, secret) for secret in secrets for form, word in forms(secret)]
    return [
        f"{name} holds {secret[:4]}… ({form})"
        for name, text in shown.items()
        for form, word, secret in searched
        if word in text and word in _without(text, (one for one in known if word in one and secret.strip() != one))
    ]


def _without(text: str, names: Iterable[str]) -> str:
    for name in names:
        text = text.replace(name, " ")
    return text


def forms(secret: str) -> Iterator[tuple[str, str]]:
    """What a secret may look like in a log, and what of it may stand there alone."""
    text = secret.strip()
    yield from _forms(secret)
    for line in text.splitlines():
        if len(line.strip()) >= SHORTEST and not _PLAIN_LINE.fullmatch(line):
            yield "a line", line.strip()
    for key, part in _texts(_document(text), ()):
        if len(part) >= SHORTEST and part != text and key not in ("apiVersion", "kind", "name", "namespace"):
            yield from ((f"a part, {form}", word) for form, word in _forms(part))


# A key alone, brackets, or a field whose value is in any manifest: a small number, a switch, what names and kinds are.
_PLAIN_LINE = re.compile(
    r"""[-\s"'\w./]*:\s*(\d{1,5}|true|false|[\[\]{}|>-]*)["',]*|[\s\[\]{},]*"""
    r"""|[-\s"']*(apiVersion|kind|name|namespace)["']?:.*"""
)


def _document(text: str) -> Any:
    if "\n" not in text and not text.startswith(("{", "[")):
        return None
    try:
        return yaml.load(text, yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError):
        return None


def _forms(secret: str) -> Iterator[tuple[str, str]]:
    text = secret.strip()
    yield "plain", text
    raw = secret.encode("utf-8", "surrogateescape")
    for each in (raw, raw.strip()):
        yield "base64", base64.b64encode(each).decode().rstrip("=")
        yield "base64 for URLs", base64.urlsafe_b64encode(each).decode().rstrip("=")
    for skipped in range(3) if len(raw) > SHORTEST else ():
        start = -(-skipped * 8 // 6)
        yield "within base64", base64.b64encode(bytes(skipped) + raw).decode()[start : (skipped + len(raw)) * 8 // 6]
    yield "in a URL", quote(text, "", errors="surrogateescape")
    yield "in a form", quote_plus(text, errors="surrogateescape")
    yield "in XML", html.escape(text)
    for ascii_only in (True, False):
        escaped = text
        for level in ("", " in JSON", " in JSON in JSON"):
            escaped = json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
            yield f"in JSON{level}", escaped


def _given(option: str, arguments: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """What an option is set to, by flag or by variable."""
    upper = option.upper()
    names = (f"INPUT_{upper}", f"K8S_{upper.replace('-', '_')}")
    found = _after(f"--{option}", arguments)
    return [text for text in (*found, *(environ.get(name, "") for name in names)) if text]


def _after(flag: str, arguments: Sequence[str]) -> list[str]:
    found = [after for before, after in pairwise(arguments) if before == flag]
    return [*found, *(word.partition("=")[2] for word in arguments if word.startswith(f"{flag}="))]


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
    for item in _objects_in(text):
        yield from values(item) if item.get("kind") == "Secret" else _of_users(item)


@lru_cache(64)
def _objects_in(text: str) -> tuple[dict[str, Any], ...]:
    if "kind" not in text:
        return ()
    try:
        documents = list(yaml.load_all(text, yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError):
        return ()  # tests of broken manifests have their own eyes
    return tuple(item for document in documents for item in _items(document))


def _texts(value: Any, left_out: Sequence[str], key: str = "") -> Iterator[tuple[str, str]]:
    """Every text within, with its key."""
    if isinstance(value, dict):
        for name, entry in value.items():
            if name not in left_out:
                yield from _texts(entry, left_out, str(name))
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry, left_out, key)
    elif isinstance(value, str):
        yield key, value


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
