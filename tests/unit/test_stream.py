from __future__ import annotations

import io
import subprocess
import sys

import pytest

from k8s_step.redaction import Redactor
from k8s_step.report.stream import MaskedStream


def test_lines_are_masked() -> None:
    redactor = Redactor()
    redactor.add("s3cr3t")
    buffer = io.StringIO()
    MaskedStream(buffer, redactor).line("Bearer s3cr3t")
    assert buffer.getvalue() == "Bearer ***\n"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_no_text_is_too_odd_for_the_terminal(encoding: str) -> None:
    raw = io.BytesIO()
    stream = MaskedStream(io.TextIOWrapper(raw, encoding=encoding), Redactor())
    stream.line("é 日本 \udcff")
    assert raw.getvalue().endswith(b"\n")
    assert b"\\udcff" in raw.getvalue()


PROGRAM = """
import sys
from k8s_step.redaction import Redactor
from k8s_step.report.stream import MaskedStream
stream = MaskedStream(sys.stdout, Redactor())
sys.stdin.readline()  # until the reader has gone
for _ in range(3):
    stream.line("x" * 100_000)
sys.exit(7)
"""


def test_a_reader_who_left_changes_no_exit_code() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stdin.write(b"go\n")
    process.stdin.close()
    assert process.wait(30) == 7
    assert process.stderr.read() == b""
    process.stderr.close()
