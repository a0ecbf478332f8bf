"""Finds the files that a run reads, from paths, folders, globs and stdin, and reads their text."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import NamedTuple, TextIO

from k8s_step.errors import InputError, InputErrors, MissingFileError
from k8s_step.manifests.documents import SourceText, decode
from k8s_step.manifests.nodes import BYTE_ORDER_MARK
from k8s_step.manifests.templating.templates import Values
from k8s_step.redaction.secretfile import is_content, is_there

STDIN = "-"
_SUFFIXES = (".yaml", ".yml", ".json", ".j2")


@contextmanager
def collecting(errors: list[InputError]) -> Iterator[None]:
    """Append input errors to ``errors`` instead of raising them, so that the user sees all of them at once."""
    try:
        yield
    except InputErrors as several:
        errors += several.errors
    except InputError as error:
        errors.append(error)


# --- which files ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sources:
    """Where manifests come from. ``paths``: files, folders, globs and ``-``, which is ``stdin``.

    ``recursive``: folders within folders too. ``without``: files to leave out of folders and globs. ``built``:
    kustomize's output.
    """

    paths: Sequence[str] = ()
    recursive: bool = False
    without: Sequence[str] = ()
    built: Sequence[SourceText] = ()
    stdin: TextIO | None = field(default_factory=lambda: sys.stdin, repr=False)

    @property
    def text(self) -> str:
        """Their names, for a message."""
        return ", ".join([*self.paths, *(source.file for source in self.built)])


def files_found(sources: Sources, errors: list[InputError]) -> list[str]:
    """The files of the paths, each once; mistakes go to ``errors``."""
    if any(map(is_content, sources.paths)):  # a variable's content is split at its lines: none of them is repeated
        errors.append(_content_for_path())
        return []
    files: dict[str, str] = {}
    named = {os.path.realpath(path) for path in sources.paths}
    left_out = {os.path.realpath(path) for path in sources.without} - named
    for path in sources.paths:
        with collecting(errors):
            for file in _files(path, sources.recursive):
                real = STDIN if file == STDIN else os.path.realpath(file)
                if real not in left_out:
                    files.setdefault(real, file)
    return list(files.values())


def _files(path: str, recursive: bool) -> list[str]:
    if path == STDIN:
        return [STDIN]
    if path.startswith(("http://", "https://")):
        raise InputError(
            "manifests are not fetched from a URL", where=path, hint="download it first, or pipe it to -f -"
        )
    if Path(path).is_dir():
        return _folder(path, recursive)
    if is_there(Path(path)):
        return [str(Path(path))]
    if glob.has_magic(path):
        return _matches(path, recursive)
    hint = None if Path(path).is_absolute() else f"the working directory is {Path.cwd()}"
    raise MissingFileError("there is no such file or folder", path=path, where=path, hint=hint)


def _content_for_path() -> InputError:
    message = "a file's content is given where its path belongs; it is not shown, as it may hold a secret"
    return InputError(message, hint="name the file, or give - and pipe the content in")


def _matches(pattern: str, recursive: bool) -> list[str]:
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
    files = [file for match in matches for file in _files(match, recursive)]
    if not files:
        raise MissingFileError("no file matches the pattern", path=pattern, where=pattern)
    return files


def _folder(path: str, recursive: bool) -> list[str]:
    """The folder's manifests sorted by name, without hidden files; subfolders only with ``-R``, as with kubectl."""
    found = list(_walk(Path(path), recursive))
    if not found:
        hint = "-R looks into the folders in it" if not recursive and any(_walk(Path(path), True)) else None
        raise InputError(f"no file in the folder ends in {', '.join(_SUFFIXES)}", where=path, hint=hint)
    return found


def _walk(folder: Path, recursive: bool) -> Iterator[str]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"the folder cannot be read: {error.strerror}", where=str(folder)) from None
    for entry in entries:
        if entry.is_dir():
            if recursive and not entry.is_symlink():
                yield from _walk(entry, recursive)
        elif entry.suffix in _SUFFIXES:
            yield str(entry)


def is_rendered(file: str) -> bool:
    """Whether Jinja2 renders the file: its name ends in ``.j2``."""
    return file.endswith(".j2")


def source_of(file: str, values: Values | None, stdin: TextIO | None) -> SourceText:
    """The text of a file or of stdin; a ``*.j2`` file is rendered, unless ``values`` is ``None``.

    :raises InputError: unreadable, not UTF-8, or an invalid template.
    """
    return _rendered(file, values) if values is not None and is_rendered(file) else _source(file, stdin)


class NoTemplates(NamedTuple):
    """Selects files that are no templates: ``all``, or those whose path or trailing part matches one of ``globs``."""

    all: bool = False
    globs: tuple[str, ...] = ()

    def holds(self, file: str) -> bool:
        """Whether the file is sent unchanged, without substitution."""
        return self.all or any(_matches_glob(file, pattern) for pattern in self.globs)

    def check(self, files: Sequence[str]) -> None:
        """:raises InputErrors: each pattern that matches none of the files, probably a typing error."""
        idle = [pattern for pattern in self.globs if not any(_matches_glob(file, pattern) for file in files)]
        if idle:
            where = "--no-template-file"
            raise InputErrors([InputError(f"no manifest matches {pattern}", where=where) for pattern in idle])


NO_FILE = NoTemplates()


def _matches_glob(file: str, pattern: str) -> bool:
    path, pattern = os.path.normpath(file), os.path.normpath(pattern)
    return fnmatchcase(path, pattern) or PurePath(path).match(pattern)


def _source(file: str, stdin: TextIO | None) -> SourceText:
    if file != STDIN:
        return SourceText(file, read_text(file))
    hint = "pipe the text in, or name a file"
    if stdin is None:
        raise InputError("standard input is closed, so there is nothing to read", where="stdin", hint=hint)
    try:
        return SourceText("stdin", stdin.read().removeprefix(BYTE_ORDER_MARK), is_filled_in=True)
    except UnicodeDecodeError:
        raise InputError("standard input is not UTF-8 text", where="stdin") from None
    except OSError as error:
        raise InputError(f"standard input can't be read: {error.strerror}", where="stdin", hint=hint) from None


def read_text(file: str) -> str:
    """The text of a file.

    :raises InputError: unreadable, or not UTF-8.
    """
    if is_content(file):
        raise _content_for_path()
    try:
        return decode(Path(file).read_bytes(), file)
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", where=file) from None


def _rendered(file: str, values: Values) -> SourceText:
    """Render a ``*.j2`` file. Jinja2, an optional dependency that is slow to import, is imported only here."""
    from k8s_step.manifests.templating import jinja

    return jinja.render(file, read_text(file), values)
