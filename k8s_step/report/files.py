"""Result files: written whole, and left so that the next step of the pipeline may read, replace and delete them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def is_writable(path: str) -> bool:
    """Whether :func:`write` could put a file there."""
    file = Path(path)
    if "\0" in path or not _is_a_path(file):
        return False
    return os.access(file if _is_device(file) else file.parent, os.W_OK) and not file.is_dir()


def _is_a_path(file: Path) -> bool:
    """Whether the system accepts the path, existing or not: a name may be too long, a symbolic link may loop."""
    try:
        file.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def write(path: str, content: str | bytes) -> None:
    """Replace the file atomically, so that nobody reads half a result; append to a device. Raises :class:`OSError`."""
    raw = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    file = Path(path)
    if _is_device(file):
        with file.open("ab") as device:
            device.write(raw)
        return
    file = file.resolve()  # a symbolic link stays, its target is replaced
    temporary = file.with_name(f"{file.name}.tmp")
    try:
        temporary.write_bytes(raw)
        _hand_over(temporary, file.parent)
        temporary.replace(file)
    except BaseException:  # such as a full disk or a cancelled run
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def begin(path: str, content: str) -> None:
    """Replace an earlier run's file by ``content``; a device or pipe keeps nothing, so it gets nothing.

    Raises :class:`OSError` if the file can't be written, after an attempt to delete the earlier run's file.
    """
    if _is_device(Path(path)):
        return
    try:
        write(path, content)
    except OSError:
        with contextlib.suppress(OSError):
            Path(path).resolve().unlink()
        raise


def _is_device(file: Path) -> bool:
    """Whether the path is a stream, such as ``/dev/stdout`` or a pipe, which must not be replaced by a file."""
    is_stream = str(file).startswith(("/dev/std", "/dev/fd/", "/proc/"))  # even if it leads to a regular file
    return is_stream or (file.exists() and not (file.is_file() or file.is_dir()))


def _hand_over(file: Path, folder: Path) -> None:
    """Give root's file to the folder's owner: GitHub runs container actions as root, but other steps as that user."""
    if os.geteuid() == 0:
        owner = folder.stat()
        with contextlib.suppress(OSError):  # not every volume lets root give files away
            os.chown(file, owner.st_uid, owner.st_gid)
            file.chmod(0o644)
