"""The image's first process: the step for its own words, any other program of the image (a pipeline's shell) as asked.

GitHub starts the image with inputs or words of the step, GitLab with ``sh -c …``, Jenkins with ``cat``.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from k8s_step.cancellation import CANCELLATION, catch_signals, let_signals_through
from k8s_step.errors import CancelledError


def program(words: Sequence[str]) -> str | None:
    """Path of the program that the words start; None where they are the step's, misspelled ones too."""
    from k8s_step.commands import COMMANDS  # here, because signals are caught before all else is imported

    if not words or words[0].startswith("-") or words[0] in {command.name for command in COMMANDS}:
        return None
    return shutil.which(words[0])


def main() -> None:
    """Become the program, or be the step."""
    CANCELLATION.starting()
    ignored = catch_signals()  # the first process of a container ignores SIGTERM unless it asks for it
    words = sys.argv[1:]
    path = program(words)
    if path is not None:
        _become(path, words, ignored)
    from k8s_step.__main__ import main as step

    step()


def _become(path: str, words: Sequence[str], ignored: set[signal.Signals]) -> NoReturn:
    """The same process, so that signals reach the program, with what Python itself ignores no longer ignored."""
    for each in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(each, signal.SIG_DFL)
    try:
        let_signals_through(ignored)
    except CancelledError as cancelled:  # before the program was there to be told
        os._exit(cancelled.exit_code)
    os.execv(path, list(words))


if __name__ == "__main__":
    main()
