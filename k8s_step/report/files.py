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
    """Whether the system takes it for one, be there a file or not: a name may be too long, or loop."""
    try:
        file.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def write(path: str, content: str | bytes) -> None:
    """Whole or not at all: whoever reads it never sees half a result. Raises :class:`OSError`."""
    raw = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    file = Path(path)
    if _is_device(file):
        with file.open("ab") as device:
            device.write(raw)
        return
    file = file.resolve()  # a link stays one
    temporary = file.with_name(f"{file.name}.tmp")
    try:
        temporary.write_bytes(raw)
        _hand_over(temporary, file.parent)
        temporary.replace(file)
    except BaseException:  # a full disk; a run that is cancelled
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def begin(path: str, content: str) -> None:
    """Put ``content`` in the place of what an earlier run has left, where that stays: a stream has passed it on.

    Raises :class:`OSError` where it can't be written; what was there is gone then, unless that can't be either.
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
    """``/dev/stdout``, a pipe: nothing that another file may take the place of."""
    is_stream = str(file).startswith(("/dev/std", "/dev/fd/", "/proc/"))  # whatever it leads to
    return is_stream or (file.exists() and not (file.is_file() or file.is_dir()))


def _hand_over(file: Path, folder: Path) -> None:
    """GitHub runs container actions as root, in a workspace that belongs to the user its other steps run as."""
    if os.geteuid() == 0:
        owner = folder.stat()
        with contextlib.suppress(OSError):  # not every volume lets root give files away
            os.chown(file, owner.st_uid, owner.st_gid)
            file.chmod(0o644)
