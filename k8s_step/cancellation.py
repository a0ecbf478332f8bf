"""Ends a run on SIGTERM or SIGINT: at once or, while writes are under way, after their outcome has been reported.

Signals belong to the process; so does :data:`CANCELLATION`, the only instance of its class.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from k8s_step.errors import CancelledError, ExitCode

_SIGNALS = {signal.SIGTERM: ExitCode.CANCELLED, signal.SIGINT: ExitCode.INTERRUPTED}
_AGAIN = 0.01  # seconds until a dropped cancellation is raised again
_NUDGE = signal.SIGURG  # ignored by default, so that no other program is ended by it
_NUDGES = (0.0, 0.01, 0.1, 1.0)  # seconds before each


class _Part(threading.local):
    """The calling thread's part in the run: ``is_open`` while it works on one, ``is_told`` once it was cancelled."""

    is_open = False
    is_told = False


class Cancellation:
    """The request to end this run. Only the main thread, where Python runs signal handlers, may delay it.

    A thread that works on a part of the run (see :meth:`taking_part`) gets the cancellation where it waits next.
    """

    def __init__(self) -> None:
        self._asked: CancelledError | None = None
        self._is_starting = False
        self._wakes: list[Callable[[], object]] = []
        self._part = _Part()
        self._asked_of_parts: CancelledError | None = None
        self._wakes_of_parts: list[Callable[[], object]] = []
        self._last_acts: list[Callable[[], object]] = []
        self._moments: list[object] = []
        self._leaving: int | None = None

    def ask(self, error: CancelledError) -> None:
        """End the run: raise ``error`` or, while it is held back, call the ``wake`` of each holder."""
        self._asked = self._asked or error
        self._asked_of_parts = self._asked_of_parts or error
        for wake in (*self._wakes, *self._wakes_of_parts):
            wake()
        self._raise_asked()

    def starting(self) -> None:
        """Hold a cancellation back until :meth:`started`, while no journal can report it."""
        self._is_starting = True

    def started(self) -> None:
        """Stop holding cancellations back, since a journal can report them. Raises one that came in the meantime."""
        self._is_starting = False
        self._raise_asked()
        self._asked_of_parts = None

    @contextmanager
    def held(self, wake: Callable[[], object]) -> Iterator[None]:
        """Hold a cancellation back in this context: it calls ``wake`` at once and is raised at the end of the context.

        An exception that leaves the context takes its place.
        """
        if self._part.is_open:
            with self.waking(wake):
                yield
            return
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

    @contextmanager
    def undivided(self) -> Iterator[None]:
        """Let no signal end this context halfway, nor the second one: the run, or the process, ends at its end.

        For what takes moments and must be known once it is done, such as the start of a program that is to be ended. A
        cancellation takes the place of an exception that leaves the context.
        """
        is_main = threading.current_thread() is threading.main_thread()

        def moment() -> None:
            """Wakes nothing: it does not last long enough to be ended sooner."""

        try:
            self._moments.append(moment)
            if is_main:
                self._wakes.append(moment)
            yield
        finally:
            with suppress(ValueError):  # a signal before it was added
                self._moments.remove(moment)
            if self._leaving is not None:
                self.leave(self._leaving)
            if is_main:
                with suppress(ValueError):
                    self._wakes.remove(moment)
                self._raise_asked()

    @contextmanager
    def taking_part(self) -> Iterator[None]:
        """The calling thread, not the main one, works on a part of the run, and is cancelled with it."""
        self._part.is_open, self._part.is_told = True, False
        try:
            yield
        finally:
            self._part.is_open = False

    @contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        """Let a cancellation end the wait in this context by ``wake``; it is raised at the end of the context.

        Does nothing in the main thread, where a signal ends any wait, and in threads that take no part.
        """
        if not self._part.is_open:
            yield
            return
        self._wakes_of_parts.append(wake)  # before the check, so that no cancellation comes in between unseen
        try:
            self.check()
            yield
        except BaseException:
            self._part.is_told = self._part.is_told or self._asked_of_parts is not None
            raise
        finally:
            self._wakes_of_parts.remove(wake)
        self.check()

    @contextmanager
    def leaving(self, act: Callable[[], object]) -> Iterator[None]:
        """Call ``act`` where a second signal ends the process at once in this context, so that nothing is left."""
        self._last_acts.append(act)
        try:
            yield
        finally:
            self._last_acts.remove(act)

    def leave(self, number: int) -> None:
        """End the process at once, as signal ``number`` would, but for what is :meth:`undivided`: at its end."""
        self._leaving = number  # before the look, so that a thread whose moment ends here sees it
        if self._moments:
            return
        for act in self._last_acts:
            with suppress(Exception):
                act()
        os._exit(128 + number)

    def check(self) -> None:
        """Raise the run's cancellation, once, in a thread that takes part in the run."""
        asked = self._asked_of_parts
        if asked is not None and self._part.is_open and not self._part.is_told:
            self._part.is_told = True
            raise CancelledError(asked.message, asked.exit_code)

    def _raise_asked(self) -> None:
        asked = self._asked
        if asked is not None and not self._wakes and not self._is_starting:
            self._asked = None
            raise asked


CANCELLATION = Cancellation()


def catch_signals() -> set[signal.Signals]:
    """Let SIGTERM and SIGINT ask :data:`CANCELLATION` to end the run; a second signal ends the process immediately.

    Returns those of the two signals that the parent process had set to be ignored.
    """
    ignored = {each for each in _SIGNALS if signal.getsignal(each) is signal.SIG_IGN}

    def cancelled(number: int, _: Any) -> None:
        for each in _SIGNALS:
            signal.signal(each, lambda again, _: CANCELLATION.leave(again))
        named = signal.Signals(number)
        CANCELLATION.ask(CancelledError(f"cancelled by {named.name}", _SIGNALS[named]))

    for each in _SIGNALS:
        signal.signal(each, cancelled)
    _wake_the_main_thread()
    sys.unraisablehook = _ask_again
    return ignored


def _wake_the_main_thread() -> None:
    """Interrupt the main thread's wait whichever thread a signal reaches.

    The kernel may hand the process's signal to any of its threads; Python's handler then runs once the main thread
    comes back from whatever it waits for, which may be never. A byte is written for each signal, and the thread that
    reads it interrupts the main thread, more than once, since that may be just about to wait.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(_NUDGE, lambda _, __: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    main = threading.get_ident()

    def nudge() -> None:
        while number := os.read(reader, 1):
            if number[0] in _SIGNALS:
                for pause in _NUDGES:
                    time.sleep(pause)
                    signal.pthread_kill(main, _NUDGE)

    threading.Thread(target=nudge, daemon=True).start()


def let_signals_through(ignored: set[signal.Signals]) -> None:
    """Restore the signals' original handling for a program that replaces this process.

    ``ignored`` is the result of :func:`catch_signals`. Raises a cancellation that came before.
    """
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN if each in ignored else signal.SIG_DFL)
    CANCELLATION.started()


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Ignore both signals while result files are written: the verdict is final and the files must be complete.

    Blocking would not do, since a signal mask covers one thread and the kernel may deliver to any.
    """
    before = {each: signal.signal(each, signal.SIG_IGN) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def ignore_signals() -> None:
    """Ignore both signals from now on: one that arrived would replace the verdict's exit code and its result file.

    Does nothing in other threads than the main one, where Python sets no handlers.
    """
    if threading.current_thread() is threading.main_thread():
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)


def _ask_again(dropped: Any) -> None:
    """Ask again, ``_AGAIN`` seconds later, for a cancellation that Python dropped, as it does in a finaliser."""
    error = dropped.exc_value
    if not isinstance(error, CancelledError):
        sys.__unraisablehook__(dropped)
        return
    signal.signal(signal.SIGALRM, lambda _, __: CANCELLATION.ask(error))
    signal.setitimer(signal.ITIMER_REAL, _AGAIN)
