"""What docs/options.md and action.yml say of the options, made from the one table the command line is made from.

``python -m tests.docs`` writes it into both files; the tests hold them to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from k8s_step.cli import default_text
from k8s_step.commands import COMMANDS
from k8s_step.connection.ailments import AILMENTS, CUT, STARTING, UNRENEWED, Ailment, Patience
from k8s_step.options import CONNECTION, Option
from k8s_step.verdict.evidence.advice import BY_EXIT_CODE, BY_REASON

ROOT = Path(__file__).resolve().parents[2]
README, ACTION, ANSWERS = ROOT / "README.md", ROOT / "action.yml", ROOT / "docs" / "answers.md"
OPTIONS, TROUBLES = ROOT / "docs" / "options.md", ROOT / "docs" / "troubleshooting.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
"""What users read."""
_BLOCK = "<!-- {name}: written by python -m tests.docs -->\n"
_END = "<!-- end -->"


def options_page(text: str) -> str:
    """docs/options.md with every generated block made anew."""
    return _written(text, {"commands": commands(), "connection": options(CONNECTION), "options": by_command()})


def answers(text: str) -> str:
    """docs/answers.md with its tables made anew."""
    return _written(text, {"answers": ailments(), "sources": sources()})


def troubles(text: str) -> str:
    """docs/troubleshooting.md with its table made anew."""
    return _written(text, {"reasons": reasons()})


def _written(text: str, blocks: Mapping[str, str]) -> str:
    for name, block in blocks.items():
        start = _BLOCK.format(name=name)
        pattern = re.escape(start) + ".*?" + re.escape(_END)
        assert re.search(pattern, text, re.S), f"there is no block {name}"
        text = re.sub(pattern, lambda _, new=start + block + _END: new, text, flags=re.S)
    return text


def reasons() -> str:
    """A row a reason, by its name; then a row an exit code of a program."""
    rows = [f"| `{reason}` | {one.likely} | {one.check} |\n" for reason, one in sorted(BY_REASON.items()) if any(one)]
    ended = [f"| exit code {code} | {one.likely} | {one.check} |\n" for code, one in BY_EXIT_CODE.items()]
    return "| reason | likely | check |\n|---|---|---|\n" + "".join([*rows, *ended])


def ailments() -> str:
    """A row an answer, in the order in which they are looked through."""
    head = (
        "| answer | tried again | what can't be sent twice | exit code where it lasts | `--timeout` is over before |\n"
    )
    return head + "|---|---|---|---|---|\n" + "".join(_ailment(one) for one in (CUT, UNRENEWED, STARTING, *AILMENTS))


def _ailment(one: Ailment) -> str:
    if one.patience is Patience.NONE:
        return f"| {one.title} | no | | {one.ends:d} | |\n"
    looked = "sent again: it was not done" if one.is_undone else "looked up first"
    return f"| {one.title} | {one.patience.value} | {looked} | {one.ends:d} | {one.late_end:d} |\n"


def sources() -> str:
    """A row an answer: the server's source that says so."""
    rows = "".join(f"| {one.title} | {one.source} |\n" for one in AILMENTS)
    return f"| answer | source |\n|---|---|\n{rows}"


def action(text: str) -> str:
    """action.yml with its inputs made anew."""
    head, _, rest = text.partition("inputs:\n")
    tail = rest[rest.index("\n\n") :]
    return f"{head}inputs:\n{inputs()}{tail}"


def commands() -> str:
    """A row a command."""
    rows = [f"| `{command.name}` | {command.help} |\n" for command in COMMANDS]
    rows.append("| `demo` | The main job with no cluster at hand. |\n")
    return "| command | does |\n|---|---|\n" + "".join(rows)


def by_command() -> str:
    """A row an option that is not common to all, with the commands that take it in these words."""
    common = {option.name for option in CONNECTION}
    takers: dict[str, dict[Option, list[str]]] = {}
    for command in COMMANDS:
        for option in command.all_options:
            if option.name not in common:
                takers.setdefault(option.name, {}).setdefault(option, []).append(command.name)
    rows = [
        f"| {_flag(option)} | {_variables(option)} | {_words(option)} | {', '.join(names)} |\n"
        for alike in takers.values()
        for option, names in alike.items()
    ]
    return "| option | variable | meaning | of |\n|---|---|---|---|\n" + "".join(rows)


def options(of: Iterable[Option]) -> str:
    """A row an option: flag, variables, words, default."""
    rows = [f"| {_flag(option)} | {_variables(option)} | {_words(option)} |\n" for option in of]
    return "| option | variable | meaning |\n|---|---|---|\n" + "".join(rows)


def inputs() -> str:
    """action.yml's inputs: the options of every command, each once, as apply means it where two share a name.

    None has a ``default``: the runner would set INPUT_<NAME> to it, and no ``K8S_<NAME>`` would ever be looked at.
    """
    union: dict[str, Option] = {}
    for command in COMMANDS:
        for option in command.all_options:
            union.setdefault(option.name, option)
    entries = ['  command:\n    description: "the command to run (default: apply)"']
    return "\n".join([*entries, *(_input(option) for option in union.values())])


def _input(option: Option) -> str:
    words = option.help.replace(" (repeatable)", ", one a line" if option.is_list else "")
    default = str(option.default).lower() if isinstance(option.default, bool) else default_text(option)
    return f"  {option.name}:\n    description: {_yaml(f'{words} (default: {default})' if default else words)}"


def _yaml(text: str) -> str:
    is_plain = re.fullmatch(r"[A-Za-z][^:#{}\[\],&*!|>'\"%@`]*", text) and text not in ("true", "false", "on", "off")
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def _flag(option: Option) -> str:
    if not option.metavar and option.kind != "switch" and not option.choices:
        return f"`{_short(option)}--{option.name} N`"
    name = f"--{option.name}/--no-{option.name}" if option.negatable else f"--{option.name}"
    value = "" if option.kind == "switch" else f" {option.metavar or '|'.join(option.choices)}"
    return f"`{_short(option)}{name}{value}`".replace("|", "\\|")


def _short(option: Option) -> str:
    return f"-{option.short}, " if option.short else ""


def _variables(option: Option) -> str:
    return ", ".join(f"`{name}`" for name in option.all_variables[1:])


def _words(option: Option) -> str:
    default = default_text(option)
    return option.help.replace("|", "\\|") + (f" (default: {default})" if default else "")
