"""The demo's script: what it runs, what it says, and how it ends."""

import tempfile
from pathlib import Path

import pytest
import yaml

from k8s_step.steps.demo import demo


class Stage:
    """Stands where cli.run stands: notes each argv and answers with the next exit code."""

    def __init__(self, *codes):
        self.codes = list(codes)
        self.runs = []
        self.said = []
        self.manifests = []

    def run(self, argv):
        self.runs.append(list(argv))
        self.manifests = list(yaml.safe_load_all(Path(argv[argv.index("-f") + 1]).read_text()))
        return self.codes.pop(0)

    def play(self):
        return demo(self.run, self.said.append)


def test_a_good_release_then_broken_ones_end_well():
    stage = Stage(0, 1, 1)

    assert stage.play() == 0
    assert [argv[0] for argv in stage.runs] == ["apply"] * 3
    assert {item["kind"] for item in stage.manifests} == {"Namespace", "ConfigMap", "Service", "Deployment"}
    assert "--dry-run" in stage.said[-1]


def test_the_command_is_said_before_it_runs():
    stage = Stage(0, 1, 1)
    stage.play()
    said = "\n".join(stage.said)

    assert all(f"$ k8s-step {' '.join(argv)}" in said for argv in stage.runs)


@pytest.mark.parametrize("codes", [(1,), (0, 0), (0, 1, 0), (0, 3)])
def test_an_act_that_ends_otherwise_is_a_bug_and_ends_the_demo(codes):
    stage = Stage(*codes)

    assert stage.play() == 70
    assert stage.codes == []
    assert "should have ended with exit code" in stage.said[-1]


@pytest.mark.parametrize("code", [130, 143])
def test_an_interrupt_ends_the_demo_with_its_own_code(code):
    assert Stage(code).play() == code


def test_no_temporary_folder_is_needed(monkeypatch, tmp_path):
    """In a container with a read-only root there may be none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))

    assert Stage(0, 1, 1).play() == 0
