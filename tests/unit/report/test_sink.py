from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from k8s_step.redaction import Redactor, SecretValue
from k8s_step.report.sink import MaskedStream


def test_credentials_are_masked() -> None:
    redactor = Redactor()
    redactor.add("s3cr3t-token")
    buffer = io.StringIO()
    MaskedStream(buffer, redactor).line("Bearer s3cr3t-token")
    assert buffer.getvalue() == "Bearer ***\n"


def test_a_value_of_a_secret_is_not_looked_for_in_finished_lines() -> None:
    redactor = Redactor()
    redactor.add_values([SecretValue("deployment.apps/web")])
    buffer = io.StringIO()
    MaskedStream(buffer, redactor).line("deployment.apps/web: current after 2.0 s")
    assert buffer.getvalue() == "deployment.apps/web: current after 2.0 s\n"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_no_text_is_too_odd_for_the_terminal(encoding: str) -> None:
    raw = io.BytesIO()
    stream = MaskedStream(io.TextIOWrapper(raw, encoding=encoding), Redactor())
    stream.line("é 日本 \udcff")
    assert raw.getvalue().endswith(b"\n")
    assert b"\\udcff" in raw.getvalue()


PROGRAM = """
import sys
from pathlib import Path
from k8s_step.redaction import Redactor, SecretValue
from k8s_step.report.sink import MaskedStream
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_what_could_not_be_written_to_a_full_disk_is_no_success(tmp_path: Path) -> None:
    manifest = tmp_path / "one.yaml"
    manifest.write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}")
    with Path("/dev/full").open("wb") as full:
        line = [sys.executable, "-m", "k8s_step", "render", "-f", str(manifest)]
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env={"CI": "1"})
    assert done.returncode == 1
    assert "error: not all of it could be written to stdout: No space left on device" in done.stderr
