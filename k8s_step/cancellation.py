"""How SIGTERM and SIGINT reach a run: they end it at once or, while writes are under way, when those have been told.

A signal belongs to the process, and so does :data:`CANCELLATION`: the one object of this module.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from k8s_step.errors import CancelledError, ExitCode

_SIGNALS = {signal.SIGTERM: ExitCode.CANCELLED, signal.SIGINT: ExitCode.INTERRUPTED}
_AGAIN = 0.01  # seconds


class Cancellation:
    """The request to end this run. Only the main thread, where Python runs signal handlers, may hold it back."""

    def __init__(self) -> None:
        self._asked: CancelledError | None = None
        self._is_starting = False
        self._wakes: list[Callable[[], object]] = []

    def ask(self, error: CancelledError) -> None:
        """End the run. Raises ``error`` where nobody holds it back, else wakes whoever does."""
        self._asked = self._asked or error
        for wake in self._wakes:
            wake()
        self._raise_asked()

    def starting(self) -> None:
        """Hold a cancellation back until :meth:`started`: who tells of it is not there yet, or is done already."""
        self._is_starting = True

    def started(self) -> None:
        """The run can tell of a cancellation from here on. Raises the one that came meanwhile."""
        self._is_starting = False
        self._raise_asked()

    @contextmanager
    def held(self, wake: Callable[[], object]) -> Iterator[None]:
        """Hold a cancellation back within this context; it calls ``wake``, and is raised at the end of the context.

        An error that leaves the context comes first.
        """
        self._raise_asked()
        self._wakes.append(wake)
        try:
            yield
        except BaseException:
            self._asked = None
            raise
        finally:
            self._wakes.remove(wake)
        self._raise_asked()

    def _raise_asked(self) -> None:
        asked = self._asked
        if asked is not None and not self._wakes and not self._is_starting:
            self._asked = None
            raise asked


CANCELLATION = Cancellation()


def catch_signals() -> set[signal.Signals]:
    """SIGTERM and SIGINT ask :data:`CANCELLATION` to end the run; a second one ends the process there and then.

    Returns those that whoever started this process wanted ignored.
    """
    ignored = {each for each in _SIGNALS if signal.getsignal(each) is signal.SIG_IGN}

    def cancelled(number: int, _: Any) -> None:
        for each in _SIGNALS:
            signal.signal(each, lambda again, _: os._exit(128 + again))
        named = signal.Signals(number)
        CANCELLATION.ask(CancelledError(f"cancelled by {named.name}", _SIGNALS[named]))

    for each in _SIGNALS:
        signal.signal(each, cancelled)
    sys.unraisablehook = _ask_again
    return ignored


def let_signals_through(ignored: set[signal.Signals]) -> None:
    """For a program that takes this process over: signals are its own again. Raises the cancellation that came before.

    ``ignored`` are those of :func:`catch_signals`.
    """
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN if each in ignored else signal.SIG_DFL)
    CANCELLATION.started()


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Ignore both signals: the verdict is final, and one from here on must not cost the user the result file.

    Ignored, not blocked: a mask counts for one thread, and any thread may be handed the signal.
    """
    before = {each: signal.signal(each, signal.SIG_IGN) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def ignore_signals() -> None:
    """Ignore both signals while the process exits: one that arrived now would replace the verdict's exit code."""
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def _ask_again(dropped: Any) -> None:
    """Python drops what is raised in a finaliser, say: a cancellation is asked for once more, a moment later."""
    error = dropped.exc_value
    if not isinstance(error, CancelledError):
        sys.__unraisablehook__(dropped)
        return
    signal.signal(signal.SIGALRM, lambda _, __: CANCELLATION.ask(error))
    signal.setitimer(signal.ITIMER_REAL, _AGAIN)
