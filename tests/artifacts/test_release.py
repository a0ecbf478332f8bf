"""The release workflow's scripts, run in a repository that has an origin; what users then find at its tags."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.artifacts.github import Job
from tests.artifacts.shells import clean
from tests.conftest import Step
from tests.docs.tables import ROOT

WORKFLOW = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
WORKFLOWS = [f".github/workflows/{path.name}" for path in sorted((ROOT / ".github" / "workflows").iterdir())]
FILES = ("CHANGELOG.md", "README.md", "action.yml", "k8s_step/__init__.py", ".github/release.py", *WORKFLOWS)
CONTEXT = {"github.token": "x", "github.repository": "Octo/k8s-step", "needs.image.outputs.digest": "sha256:abc"}


class Repository:
    """A checkout of what a release looks at, with its origin. ``gh`` is a program that notes how it is called."""

    def __init__(self, step: Step, folder: Path) -> None:
        self.step = step
        self.origin, self.work = folder / "origin.git", folder / "work"
        for name in FILES:
            (self.work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.work / name)
        self.program = folder / "bin" / "gh"
        self.program.parent.mkdir()
        self.program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/called\n')
        self.program.chmod(0o755)
        self.called = folder / "called"
        self.git("init", "--quiet", "--bare", str(self.origin))
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", str(self.origin))

    def git(self, *words: str) -> str:
        line = ["git", "-c", "user.name=somebody", "-c", "user.email=somebody@example.com", *words]
        answer = subprocess.run(line, cwd=self.work, env=clean(), capture_output=True, text=True, timeout=60)
        assert answer.returncode == 0, f"{words}: {answer.stderr}"
        return answer.stdout.strip()

    def commit(self, version: str) -> str:
        """The branch with that version of the package; its commit."""
        self.git("checkout", "--quiet", "-B", "main", *(["main"] if self.git("branch", "--list") else []))
        (self.work / "k8s_step" / "__init__.py").write_text(f'__version__ = "{version}"\n')
        with (self.work / "CHANGELOG.md").open("a", encoding="utf-8") as changes:
            changes.write(f"\n## {version}\n\n- What came with {version}.\n")
        self.git("add", *FILES)
        self.git("commit", "--quiet", "--message", f"Be {version}")
        return self.git("rev-parse", "HEAD")

    def release(self) -> Job:
        """The scripts of the workflow's jobs that have any, one after the other, in checkouts of the branch."""
        job = Job(self.step, self.work, CONTEXT)
        for name in ("version", "package", "release"):
            self.git("checkout", "--quiet", "--force", "--detach", "main")
            self._run(job, name)
        return job

    def _run(self, job: Job, name: str) -> None:
        server = {"GITHUB_SERVER_URL": "https://git.example.com", "GITHUB_REPOSITORY": CONTEXT["github.repository"]}
        path = {"PATH": f"{self.program.parent}:{clean()['PATH']}"}
        job.run(WORKFLOW, name, env={**server, **path}, skip=["Source distribution and wheel"])
        for output in ("version", "tags", "latest"):
            job.context[f"needs.version.outputs.{output}"] = job.context[f"steps.version.outputs.{output}"]
        if name == "package":
            self.described = (self.work / "README.md").read_text(encoding="utf-8")

    def at(self, tag: str, file: str) -> str:
        """A file as whoever names the tag gets it."""
        return self.git(f"--git-dir={self.origin}", "show", f"{tag}:{file}")

    def tags(self) -> dict[str, str]:
        """The origin's tags with the version of the package at each."""
        names = self.git(f"--git-dir={self.origin}", "tag", "--list").split()
        return {name: self.at(name, "k8s_step/__init__.py").split('"')[1] for name in names}


@pytest.fixture
def repository(step: Step, tmp_path: Path) -> Repository:
    return Repository(step, tmp_path)


def test_a_tagged_action_starts_the_published_image(repository: Repository) -> None:
    """The image is named in lower case, as registries want it, and but for the workflows nothing else differs."""
    branch = repository.commit("1.2.3")
    repository.release()
    image = "docker://ghcr.io/octo/k8s-step:1.2.3@sha256:abc"
    for tag in ("v1.2.3", "v1.2", "v1"):
        text = repository.at(tag, "action.yml")
        assert yaml.safe_load(text)["runs"] == {"using": "docker", "image": image}
        assert text.replace(image, "Dockerfile") == (ROOT / "action.yml").read_text(encoding="utf-8").strip()
    assert repository.git("rev-parse", "v1.2.3^") == branch
    assert repository.git("diff", "--name-only", branch, "v1.2.3").split() == [*WORKFLOWS, "action.yml"]


def test_no_tag_holds_a_workflow(repository: Repository) -> None:
    """GitHub lets a workflow's own token push no ref that brings or changes one, also by moving a tag.

    https://github.com/cloudposse/atmos/pull/2962 has its words; ``contents: write`` is all that such a token can have.
    """
    repository.commit("1.2.3")
    repository.release()
    repository.git("checkout", "--quiet", "main")
    for path in WORKFLOWS:
        (repository.work / path).write_text("name: another one by now\n", encoding="utf-8")
    repository.commit("1.2.4")
    repository.release()
    for tag in repository.tags():
        names = repository.git(f"--git-dir={repository.origin}", "ls-tree", "-r", "--name-only", tag).splitlines()
        assert [name for name in names if name.startswith(".github/workflows/")] == []


def test_moving_tags_go_along_with_the_newest_of_their_line(repository: Repository) -> None:
    """A repair of an older line moves its own tag only, and before 1.0.0 there is none for all of 0."""
    for version in ("0.9.0", "1.1.9", "1.2.0", "1.1.10", "2.0.0", "1.2.1"):
        repository.commit(version)
        repository.release()
    exact = {f"v{version}": version for version in ("0.9.0", "1.1.9", "1.2.0", "1.1.10", "2.0.0", "1.2.1")}
    moving = {"v0.9": "0.9.0", "v1.1": "1.1.10", "v1.2": "1.2.1", "v1": "1.2.1", "v2.0": "2.0.0", "v2": "2.0.0"}
    assert repository.tags() == exact | moving
    created = [line for line in repository.called.read_text().splitlines() if line.startswith("release create")]
    assert [line.split()[2] for line in created if "--latest=true" in line] == ["v0.9.0", "v1.1.9", "v1.2.0", "v2.0.0"]
    assert [line.split()[2] for line in created if "--latest=false" in line] == ["v1.1.10", "v1.2.1"]


def test_a_release_is_made_with_its_changes_and_its_image(repository: Repository) -> None:
    repository.commit("1.2.3")
    repository.commit("1.2.4")
    repository.release()
    assert repository.called.read_text().splitlines()[-1].startswith("release create v1.2.4 --verify-tag")
    notes = (repository.work / "notes.md").read_text()
    assert "What came with 1.2.4" in notes and "1.2.3" not in notes
    assert "ghcr.io/octo/k8s-step:1.2.4@sha256:abc" in notes


def test_a_version_is_released_once(repository: Repository) -> None:
    repository.commit("1.2.3")
    repository.release()
    before = repository.tags()
    with pytest.raises(AssertionError, match=r"v1\.2\.3 is there already"):
        repository.release()
    repository.commit("1.3.0rc1")
    with pytest.raises(AssertionError, match=r"'1\.3\.0rc1' is not a version to release"):
        repository.release()
    assert repository.tags() == before


def test_pypis_page_links_to_files_of_the_release(repository: Repository) -> None:
    with (repository.work / "README.md").open("a", encoding="utf-8") as page:
        page.write("![a picture](docs/summary.png)\n")
    repository.commit("1.2.3")
    repository.release()
    links = re.findall(r"\]\(([^)]+)\)", repository.described)
    there = "https://git.example.com/Octo/k8s-step"
    assert f"{there}/blob/v1.2.3/CHANGELOG.md" in links
    assert f"{there}/raw/v1.2.3/docs/summary.png" in links
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_pypi_trusts_this_workflow_and_no_token() -> None:
    """What builds the package can't publish it, and what publishes it runs nothing of the package's."""
    jobs = yaml.safe_load(WORKFLOW)["jobs"]
    publishing = jobs["pypi"]
    assert publishing["permissions"] == {"id-token": "write"}
    assert publishing["environment"]["name"] == "pypi"
    assert [step["uses"].partition("@")[0] for step in publishing["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]
    assert "password" not in str(publishing)
    assert jobs["package"]["permissions"] == {"contents": "read"}
    assert {"image", "package", "pypi"} <= set(jobs["release"]["needs"]), "tags come last"
