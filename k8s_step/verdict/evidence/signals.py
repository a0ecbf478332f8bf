"""The signal in a container's exit code: a code above 128 is 128 plus the number of the signal that ended it."""

from __future__ import annotations

# Linux's numbers, independent of the platform this process runs on. Source: signal(7).
_SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    24: "SIGXCPU",
    25: "SIGXFSZ",
    31: "SIGSYS",
}


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; empty for a number that is not a signal that ends a program."""
    return _SIGNALS.get(number, "")


def signal_of(exit_code: int | None) -> str:
    """``SIGKILL`` for 137; empty where the program ended by itself."""
    return signal_name((exit_code or 0) - 128)


def exit_text(exit_code: int) -> str:
    """``1``, or ``137 (SIGKILL)``."""
    name = signal_of(exit_code)
    return f"{exit_code} ({name})" if name else str(exit_code)
