from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from k8s_step.report.files import begin, is_writable, write

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def test_the_whole_content_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("an older and longer one")
    write(str(tmp_path / "result.json"), "né\udcff\n")
    assert (tmp_path / "result.json").read_text() == "né\\udcff\n"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_bytes_stay_bytes(tmp_path: Path) -> None:
    write(str(tmp_path / "pods.pb"), b"k8s\0\xff")
    assert (tmp_path / "pods.pb").read_bytes() == b"k8s\0\xff"


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(str(tmp_path / "link"), "x")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "x"


@pytest.mark.parametrize("path", ["/dev/null", "/dev/fd/{pipe}"])
def test_a_device_is_written_to_and_stays_what_it_is(path: str) -> None:
    reader, pipe = os.pipe()
    write(path.format(pipe=pipe), "x")
    os.close(pipe)
    assert os.read(reader, 9) == (b"x" if "fd" in path else b"")
    os.close(reader)
    assert Path("/dev/null").is_char_device()


def test_what_can_be_written(tmp_path: Path) -> None:
    assert is_writable(str(tmp_path / "new")) and is_writable("/dev/null")
    assert not is_writable(str(tmp_path / "no" / "folder")) and not is_writable(str(tmp_path))


def test_a_stream_that_goes_to_a_file_is_not_replaced(tmp_path: Path) -> None:
    with (tmp_path / "log").open("a+") as log:
        log.write("before\n")
        log.flush()
        write(f"/dev/fd/{log.fileno()}", "x\n")
        log.write("after\n")
    assert (tmp_path / "log").read_text() == "before\nx\nafter\n"


def limited(path: Path, code: str, size: int = 4) -> subprocess.CompletedProcess[str]:
    """Run ``code`` where no file can grow beyond ``size`` bytes, as on a disk that is full."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    line = f"from k8s_step.report import files; {limit}; {code}"
    return subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, cwd=path)


def test_a_full_disk_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("an earlier one")
    done = limited(tmp_path, "files.write('result.json', 'longer than that')")
    assert "OSError: [Errno 27]" in done.stderr
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"result.json": "an earlier one"}


def test_what_cannot_be_replaced_at_the_beginning_is_gone(tmp_path: Path) -> None:
    """It tells nothing of this run."""
    (tmp_path / "deploy.env").write_text("K8S_STEP_RESULT=succeeded")
    done = limited(tmp_path, "files.begin('deploy.env', 'longer than that')")
    assert "OSError: [Errno 27]" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_begun_on_a_stream(tmp_path: Path) -> None:
    with (tmp_path / "log").open("a+") as log:
        begin(f"/dev/fd/{log.fileno()}", "x\n")
    begin("/dev/null", "x\n")
    assert (tmp_path / "log").read_text() == ""


@as_root
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_what_root_writes_belongs_to_whom_the_folder_belongs(tmp_path: Path, umask: int) -> None:
    """GitHub's runner: uid 1001 owns the workspace, the container action is root."""
    os.chown(tmp_path, 1001, 118)
    before = os.umask(umask)
    try:
        write(str(tmp_path / "result.json"), "{}")
    finally:
        os.umask(before)
    found = (tmp_path / "result.json").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1001, 118, 0o644)
    later = ["sh", "-ec", "cat result.json; echo more >> result.json; rm result.json"]
    step = subprocess.run(later, cwd=tmp_path, user=1001, group=118, extra_groups=[], capture_output=True, text=True)
    assert (step.stdout, step.stderr, list(tmp_path.iterdir())) == ("{}", "", [])


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "there/no"])
def test_what_no_system_takes_for_a_path_can_not_be_written(name: str, tmp_path: Path) -> None:
    assert not is_writable(str(tmp_path / name))
    assert is_writable(str(tmp_path / "new.json"))
