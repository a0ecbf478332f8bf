"""The image's entrypoint: runs the step, or another program of the image, such as a pipeline's shell.

GitHub starts the image with inputs or arguments of the step, GitLab with ``sh -c …``, Jenkins with ``cat``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from k8s_step.cancellation import CANCELLATION, catch_signals, let_signals_through
from k8s_step.errors import CancelledError


def program(words: Sequence[str]) -> str | None:
    """The path of the program named by the first word; ``None`` for the step's own words, also misspelled ones."""
    from k8s_step.commands import COMMANDS  # here, because signals are caught before all else is imported

    if not words or words[0].startswith("-") or words[0] in {command.name for command in COMMANDS}:
        return None
    import shutil

    return shutil.which(words[0])


def main() -> None:
    """Replace this process by the program, or run the step."""
    CANCELLATION.starting()
    ignored = catch_signals()  # the kernel drops SIGTERM for a container's first process unless it has a handler
    words = sys.argv[1:]
    path = program(words)
    if path is not None:
        _become(path, words, ignored)
    from k8s_step.__main__ import main as step

    step()


def _become(path: str, words: Sequence[str], ignored: set[signal.Signals]) -> NoReturn:
    """Replace this process by the program, so that signals reach it; signals that Python ignores get their defaults."""
    for each in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(each, signal.SIG_DFL)
    try:
        let_signals_through(ignored)
    except CancelledError as cancelled:  # the signal came before the program could get it
        os._exit(cancelled.exit_code)
    os.execv(path, list(words))


if __name__ == "__main__":
    main()
