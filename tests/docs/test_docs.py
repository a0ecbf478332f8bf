"""README, docs, action.yml, examples and ``--help`` say the same as the code."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from k8s_step import __version__
from k8s_step.cli import _group, _Process
from k8s_step.commands import COMMANDS
from k8s_step.connection.retries import FEW_TRIES, FIRST_CONTACT_TRIES, PATIENCE, SHORT_PATIENCE
from k8s_step.errors import ExitCode
from k8s_step.inputs import Inputs, resolve
from k8s_step.objects.reference import Reference
from k8s_step.options import Option
from k8s_step.redaction import Redactor, SecretValue
from k8s_step.report.formats.github import outputs
from k8s_step.report.formats.gitlab import to_dotenv
from k8s_step.report.formats.plain import Plain
from k8s_step.report.journal import Journal
from k8s_step.report.results.result import RESULTS, SCHEMA, UNFINISHED, ObjectResult, Result, to_json
from k8s_step.surroundings import Surroundings
from k8s_step.verdict.evidence.advice import advice
from k8s_step.verdict.evidence.finding import Finding
from k8s_step.verdict.podfailures import CONTAINER_GRACE, CRASHES, IMAGE_GRACE
from tests.docs.tables import (
    ACTION,
    ANSWERS,
    OPTIONS,
    PAGES,
    README,
    ROOT,
    TROUBLES,
    action,
    answers,
    options_page,
    troubles,
)

_TEXT = README.read_text(encoding="utf-8")
_OPTIONS = OPTIONS.read_text(encoding="utf-8")
_CLOUDS = ROOT / "docs" / "clouds.md"
_PAGES = {path.name: path.read_text(encoding="utf-8") for path in PAGES}
_ANSWERS = ANSWERS.read_text(encoding="utf-8")
_TROUBLES = TROUBLES.read_text(encoding="utf-8")
_DEFAULT = re.compile(r"\(default: (\S+)\)$")
_EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*") if path.is_file())
_WORKFLOWS = [
    *sorted((ROOT / "examples").glob("github-*.yml")),
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
]
_DOTENV = set(re.findall(r"^\w+", to_dotenv(Result("apply", ExitCode.SUCCEEDED, None, None, "t", 1.0), ""), re.M))


def _all_options() -> dict[str, Option]:
    return {option.name: option for command in COMMANDS for option in command.all_options}


def _help(*arguments: str) -> str:
    return CliRunner().invoke(_group(_Process({}, Redactor(), Surroundings())), [*arguments, "--help"]).output


def test_generated_blocks_are_up_to_date() -> None:
    assert options_page(_OPTIONS) == _OPTIONS, "run: python -m tests.docs"
    assert action(ACTION.read_text(encoding="utf-8")) == ACTION.read_text(encoding="utf-8"), "run: python -m tests.docs"
    assert answers(_ANSWERS) == _ANSWERS, "run: python -m tests.docs"
    assert troubles(_TROUBLES) == _TROUBLES, "run: python -m tests.docs"


def test_every_option_has_a_field_of_inputs() -> None:
    fields = Inputs._fields
    for option in _all_options().values():
        assert option.field in fields


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_names_every_option_with_its_words_and_variables(command) -> None:
    said = " ".join(_help(command.name).split())
    for option in command.options:
        assert f"--{option.name}" in said
        assert " ".join(option.help.split()) in said
        assert all(variable in said for variable in option.all_variables[1:])


def test_help_names_every_command() -> None:
    said = _help()
    assert all(re.search(rf"^  {command.name}\b", said, re.M) for command in COMMANDS)


def test_action_is_well_formed_and_complete() -> None:
    said = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    assert set(said["inputs"]) == {"command", *_all_options()}
    assert all(entry["description"] for entry in said["inputs"].values())
    assert said["runs"]["using"] == "docker"
    image = said["runs"]["image"]  # the file here, the published image at a release's tags
    assert (ROOT / image).is_file() or re.fullmatch(
        rf"docker://\S+/k8s-step:{re.escape(__version__)}@sha256:\w+", image
    )


def test_action_outputs_are_those_the_step_writes() -> None:
    said = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["outputs"]
    result = Result("apply", ExitCode.SUCCEEDED, None, None, "t", 1.0)
    assert list(said) == re.findall(r"^(\w+)<<", outputs(result, ""), re.M)
    assert all(entry["description"] for entry in said.values())
    listed, _, killed = said["result"]["description"].partition("; ")
    assert set(RESULTS.values()) == set(re.findall(r"\w+", listed)) - {"or"}
    assert killed.startswith(UNFINISHED)
    assert all(f"`{name}`" in _PAGES["github.md"] for name in said)


def test_dotenv_variables_are_all_told() -> None:
    assert all(f"`{name}`" in _PAGES["gitlab.md"] for name in _DOTENV)


def test_action_tells_defaults_and_sets_none() -> None:
    """What the runner sets hides the ``K8S_*`` variables of the workflow."""
    said = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"]
    assert not [name for name, entry in said.items() if "default" in entry]
    told = {name: found[1] for name, entry in said.items() if (found := _DEFAULT.search(entry["description"]))}
    environ = {f"INPUT_{name.upper()}": default for name, default in told.items()}
    read, own = (resolve(COMMANDS[0].all_options, {}, variables) for variables in (environ, {}))
    assert read._replace(sources={}) == own._replace(sources={}) and read.sources
    given = {name: option.default for name, option in _all_options().items()}
    own_words = {name for name, default in given.items() if default not in (None, ()) and default is not False}
    assert own_words <= told.keys()
    numbers = {name for name, option in _all_options().items() if option.kind in ("count", "number")}
    assert all(told[name].isdecimal() for name in numbers & told.keys())


def test_exit_codes_are_all_in_the_readme() -> None:
    said = _TEXT[_TEXT.index("## Exit codes") :]
    codes = {int(number) for row in re.findall(r"^\| ([\d, ]+) \|", said, re.M) for number in row.split(",")}
    assert codes | {6} == {int(code) for code in ExitCode}


def test_the_words_about_answers_are_true() -> None:
    """tests/unit/test_ailments.py holds each row of the table to the client; these are its figures."""
    words = " ".join(_ANSWERS.split())
    assert f"{FEW_TRIES} tries" in words and f"{PATIENCE:g} s" in words and f"{SHORT_PATIENCE:g} s" in words
    assert f"{FIRST_CONTACT_TRIES} tries" in words
    assert "(docs/answers.md)" in _TEXT


def test_the_words_about_secrets_are_true() -> None:
    """tests/unit/redaction holds masking to its figures."""
    told: list[str] = []
    redactor = Redactor()
    redactor.spare("shop")
    redactor.add_values([SecretValue("shop", "POSTGRES_USER of secret/database")])
    Journal("apply", [Plain(told.append, told.append)], redactor).finish(ExitCode.SUCCEEDED)
    words = _PAGES["secrets.md"]
    assert f"    {told[0]}\n" in words
    assert {word for word in ("true", "false", "null", "none", "default") if f"`{word}`" not in words} == set()
    assert "(secrets.md)" in _PAGES["promises.md"]


def test_result_file_is_as_it_is_shown() -> None:
    shown = json.loads(re.search(r"```json\n(.*?)```", _PAGES["result-file.md"], re.S)[1])
    reference = Reference("v1", "Pod", "shop", "web", "k8s/web.yaml", 12)
    result = Result(
        "apply",
        ExitCode.FAILED,
        "https://x",
        None,
        "t",
        1.0,
        (ObjectResult(reference),),
        (Finding(reference, "r", "m"),),
    )
    written = to_json(result)
    assert shown.pop("schema") == SCHEMA
    assert set(shown) == set(written)
    assert set(shown["objects"][0]) == set(written["objects"][0])
    assert set(shown["failures"][0]) == set(written["failures"][0])


def test_result_words_are_all_told() -> None:
    said = _PAGES["result-file.md"]
    assert all(word in said for code, word in RESULTS.items() if code is not ExitCode.ROLLED_BACK)


def test_graces_are_as_they_are_told() -> None:
    rows = dict(re.findall(r"^\| (.*?) \| (after \d+ s|at the second restart|at once) \|$", _PAGES["verdict.md"], re.M))
    graces = dict(rows)
    assert next(g for w, g in graces.items() if w.startswith("other `ErrImagePull`")) == f"after {IMAGE_GRACE:g} s"
    assert next(g for w, g in graces.items() if "CreateContainerError" in w) == f"after {CONTAINER_GRACE:g} s"
    assert next(g for w, g in graces.items() if "CrashLoopBackOff" in w) == "at the second restart"
    assert CRASHES == 2


def _command_lines(path: Path) -> list[str]:
    """Every ``k8s-step …`` call in a document's shell blocks, steps and scripts, or in the words about them."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(r"(?m)(?:^\$? ?|^ +|sh '|\s- |`)(k8s-step(?: [^`'\n]*)?)", text)


def _flags(options: Iterable[Option]) -> set[str]:
    names = {f"--{option.name}" for option in options} | {f"-{option.short}" for option in options if option.short}
    return names | {f"--no-{option.name}" for option in options if option.negatable}


@pytest.mark.parametrize("path", [*PAGES, *_EXAMPLES], ids=lambda path: path.name)
def test_examples_call_what_exists(path: Path) -> None:
    commands = {command.name: command for command in COMMANDS}
    for line in _command_lines(path):
        words = shlex.split(line.partition(" #")[0].replace("…", ""))[1:]
        if not words or words[0].startswith("-") or not words[0].isalpha():
            continue
        assert words[0] in {*commands, "demo"}, line
        known = _flags(commands[words[0]].options) if words[0] in commands else set()
        assert {word for word in words[1:] if re.match(r"--?[a-z]", word)} <= known, line


@pytest.mark.parametrize("path", [*PAGES, *_EXAMPLES], ids=lambda path: path.name)
def test_examples_set_only_variables_that_exist(path: Path) -> None:
    known = {variable for option in _all_options().values() for variable in option.all_variables} | {"K8S_COMMAND"}
    known |= _DOTENV
    for variable in re.findall(r"\bK8S_[A-Z_]+\b", path.read_text(encoding="utf-8")):
        assert variable in known, variable


def _steps(said: Any) -> list[dict[str, Any]]:
    """The steps in a list of them, in a job or in a workflow."""
    if isinstance(said, list):
        return said
    jobs = [said, *said.get("jobs", {}).values()]
    return [step for job in jobs for step in job.get("steps", [])]


def test_github_example_names_only_inputs_that_exist() -> None:
    known = set(yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"])
    pages = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    examples = [*re.findall(r"```yaml\n(.*?)```", pages, re.S), *(path.read_text("utf-8") for path in _WORKFLOWS)]
    steps = [step for example in examples for step in _steps(yaml.safe_load(example))]
    steps = [step for step in steps if re.match(r"\./$|OWNER/k8s-step@", step.get("uses", ""))]
    assert len(steps) > 4
    for step in steps:
        assert set(step["with"]) <= known


def test_one_version_everywhere() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {__version__}" in changelog
    for path in (*_EXAMPLES, *PAGES):
        named = re.findall(r"k8s-step(?::|@v)([\d.]+\d)", path.read_text(encoding="utf-8"))
        assert set(named) <= {__version__}, path
        is_program = path.parent.name in ("k8s", "python") or path.suffix == ".sh"
        assert named or path not in _EXAMPLES or is_program


def test_the_failure_shown_is_laid_out_as_it_is_printed() -> None:
    shown = re.search(r"```\n(\$ k8s-step apply.*?)```", _TEXT, re.S)[1]
    finding = Finding(
        Reference("apps/v1", "Deployment", "shop", "web", "shop.yaml", 27),
        "ErrImagePull",
        "rpc error",
        pod="web-59d568bbb8-4vfzn",
        node="node-2",
        container="web",
        image="registry.example/shop/web:1.5.0-typo",
        events=("19:45:10Z pod Failed: Failed to pull image",),
        advice=advice("ErrImagePull", "not found").likely,
        check=advice("ErrImagePull", "not found").check,
    )
    printed = Plain(print, print).finding_text(finding).splitlines()
    assert printed[0] in shown.splitlines()
    for line in printed[1:]:
        assert line.split("rpc error")[0] in shown, line


def _sources(*folders: Path) -> str:
    """The code, with texts in one piece that are written in several."""
    text = "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py"))
    return re.sub(r'"?\n\s+f?"', "", text)


def test_messages_of_troubleshooting_are_those_that_are_told() -> None:
    table = _TROUBLES[_TROUBLES.index("## By message") : _TROUBLES.index("## By Kubernetes")]
    told = [words for cell in re.findall(r"^\| (`.*?) \|", table, re.M) for words in re.findall("`(.*?)`", cell)]
    known = _sources(ROOT / "k8s_step", ROOT / "tests" / "integration")
    assert len(told) > 25
    assert [part for words in told for part in words.split("…") if part.strip() not in known] == []


def test_every_exit_code_has_its_section_of_troubleshooting() -> None:
    titles = re.findall(r"(?m)^### (\d+)(?: and (\d+))?: ", _TROUBLES)
    assert {int(code) for pair in titles for code in pair if code} == {int(code) for code in ExitCode}


def test_refusals_of_clouds_are_those_that_are_told_or_played() -> None:
    text = _CLOUDS.read_text(encoding="utf-8")
    table = text[text.index("## When the cloud says no") :]
    known = _sources(ROOT / "k8s_step" / "clouds", ROOT / "tests" / "clouds") + "Unauthorized"
    words = [part for row in re.findall(r"^\| (`.*?`) \|", table, re.M) for part in re.findall("`(.*?)`", row)]
    assert len(words) > 15
    for part in (piece.strip("[] ") for word in words for piece in re.split("…|: ", word)):
        assert part.removeprefix("AADSTS") in known, part
