from __future__ import annotations

import signal
import sys

import pytest

from k8s_step.verdict.evidence.signals import exit_text, signal_name, signal_of


@pytest.mark.parametrize(
    ("code", "signal", "words"),
    [
        (0, "", "0"),
        (1, "", "1"),
        (127, "", "127"),
        (128, "", "128"),
        (137, "SIGKILL", "137 (SIGKILL)"),
        (139, "SIGSEGV", "139 (SIGSEGV)"),
        (143, "SIGTERM", "143 (SIGTERM)"),
        (134, "SIGABRT", "134 (SIGABRT)"),
        (255, "", "255"),
    ],
)
def test_the_signal_in_an_exit_code(code: int, signal: str, words: str) -> None:
    assert (signal_of(code), exit_text(code)) == (signal, words)


def test_what_has_not_ended_had_no_signal() -> None:
    assert signal_of(None) == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the numbers are Linux's")
def test_each_name_is_linuxs_for_that_number() -> None:
    named = {number: signal_name(number) for number in range(-1, 64) if signal_name(number)}
    assert named == {number: signal.Signals(number).name for number in named}
    assert {"SIGHUP", "SIGKILL", "SIGXFSZ", "SIGSYS"} <= set(named.values())
