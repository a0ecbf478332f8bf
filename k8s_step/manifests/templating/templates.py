"""``${NAME}`` templates: the sources of values, and their substitution in parsed scalars.

Substitution works on the scalars of parsed YAML or JSON, never on the file's text, so a value cannot change a
document's structure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from k8s_step.errors import InputError, InputErrors, MissingFileError
from k8s_step.manifests.documents import SourceText, decode, parse
from k8s_step.manifests.nodes import MappingNode, Node, ScalarNode, SequenceNode, field_node, nodes_of
from k8s_step.manifests.templating.ambient import is_ambient
from k8s_step.manifests.templating.expressions import ExpressionError, closing
from k8s_step.objects.metadata import Object, annotations_of
from k8s_step.redaction.secretfile import SecretFile

CREDENTIALS = frozenset(
    [
        *("K8S_TOKEN", "K8S_TOKEN_FILE", "K8S_KUBECONFIG", "K8S_CA", "K8S_HEADER", "K8S_HEADERS", "KUBECONFIG"),
        *("INPUT_TOKEN", "INPUT_TOKEN_FILE", "INPUT_KUBECONFIG", "INPUT_CA", "INPUT_HEADER", "INPUT_HEADERS"),
        *("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "K8S_ID_TOKEN"),
        *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AZURE_CLIENT_SECRET"),
        *("ARM_CLIENT_SECRET", "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET"),
    ]
)
"""Environment variables with the step's own credentials, which are no template values."""
_SECRET = ("K8S_TOKEN", "INPUT_TOKEN", "K8S_KUBECONFIG", "K8S_ID_TOKEN", "INPUT_ID-TOKEN")  # refused by value, too
_NESTED = 8  # levels of ${A:-${B:-…}}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPRESSION = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:[-?])(.*))?\}", re.DOTALL)
_HEAD = re.compile(r"\$\{[#!]?(\w*)", re.ASCII)
UNTOUCHED = "k8s-step/template"
"""The annotation that turns templates off for an object by the value ``"false"``."""
_SWITCH = f'{UNTOUCHED}: "false"'
_LITERALLY = f"where it is meant literally, write $${{, annotate the object with {_SWITCH}, or give --no-template"
_FORMS = f"write ${{NAME}}, ${{NAME:-default}} or ${{NAME:?message}}; {_LITERALLY}"


@dataclass(frozen=True)
class Values:
    """Template values by source; the first source with a name wins: ``--var``, ``--vars-file``, the environment."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    from_files: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(
        cls,
        variables: Iterable[str] = (),
        files: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Values:
        """From ``--var NAME=VALUE`` texts, paths of ``--vars-file`` (a later file wins) and the environment.

        ``--var NAME`` alone takes the environment's value, even of a credential or a variable of the machine.

        :raises InputError: a malformed assignment, an unreadable or malformed file.
        """
        from_files: dict[str, str] = {}
        for file in files:
            from_files.update(_read_file(file))
        environment = dict(environment or {})
        given = [_assignment(number, text, environment) for number, text in enumerate(variables, 1)]
        return cls(dict(given), from_files, environment)

    def get(self, name: str) -> str | None:
        """The value of a name; ``None`` if no source has one.

        :raises InputError: the environment's value is one of the step's own credentials, or not UTF-8.
        """
        for given in (self.variables, self.from_files):
            if name in given:
                return given[name]
        value = None if is_ambient(name) else self.environment.get(name)
        if value is None:
            return None
        if self._is_credential(name, value):
            raise self._refusal(name)
        if not _is_utf8(value):
            raise InputError(f"the value of {name} in the environment is not UTF-8 text")
        return value

    def is_given(self, name: str) -> bool:
        """Whether ``--var`` or ``--vars-file`` sets the name."""
        return name in self.variables or name in self.from_files

    def known(self) -> dict[str, str]:
        """All names with values, for Jinja2; without credentials, variables of the machine and values not in UTF-8."""
        allowed = {
            name: value
            for name, value in self.environment.items()
            if not is_ambient(name) and not self._is_credential(name, value) and _is_utf8(value)
        }
        return {**allowed, **self.from_files, **self.variables}

    def unknown(self, name: str, fallback: str = "${%s:-default}", literally: str = _LITERALLY) -> InputError:
        """The error for a name without a value; its hint suggests the nearest known name.

        ``fallback``: how to write a default; ``literally``: how to write a text that is no template.
        """
        if name in CREDENTIALS:
            return self._refusal(name)
        if is_ambient(name):
            message = f"{name} has no value: a shell or a CI runner sets it for itself, so it is not taken from there"
            advice = f"--var {name} takes it all the same, --var {name}=… sets it, {fallback % name} does without"
            return InputError(message, hint=_joined(advice, literally))
        from difflib import get_close_matches

        near = get_close_matches(name, sorted(self.known()), n=1)
        guess = f"did you mean {near[0]}? Else " if near else ""
        advice = f"{guess}set it with --var {name}=…, --vars-file or the environment, or write {fallback % name}"
        return InputError(f"{name} has no value", hint=_joined(advice, literally))

    def _is_credential(self, name: str, value: str) -> bool:
        """Whether the variable is a credential: by name, or by the same value under another name."""
        return name in CREDENTIALS or (bool(value) and value in self._secrets())

    def _secrets(self) -> set[str]:
        return {self.environment.get(name, "") for name in _SECRET} - {""}

    def _refusal(self, name: str) -> InputError:
        return InputError(
            f"{name} holds the step's own credentials, which no manifest gets from the environment",
            hint=f'to pass it on purpose, say --var {name}="${name}"',
        )


def _joined(*advice: str) -> str:
    return "; ".join(part for part in advice if part)


@dataclass(frozen=True)
class Template:
    """Substitution in one document.

    Names that a shell script in the document sets stay for the shell, unless ``--var`` or ``--vars-file`` gives them.
    An object with the annotation ``k8s-step/template: "false"`` stays unchanged.
    """

    root: Node = field(repr=False)
    values: Values

    def __call__(self, scalar: ScalarNode) -> str:
        """The scalar's text with its ``${…}`` replaced.

        :raises InputErrors: every name without a value and every malformed expression in it.
        """
        if id(scalar) in self._untouched:
            return scalar.text
        return substitute(scalar.text, self.values, self._own_names.get(id(scalar), frozenset()))

    @cached_property
    def _own_names(self) -> dict[int, frozenset[str]]:
        from k8s_step.manifests.templating.shellscripts import own_names

        return own_names(self.root)

    @cached_property
    def _untouched(self) -> frozenset[int]:
        return frozenset(id(node) for one in _objects(self.root) if _is_untouched(one) for node in nodes_of(one))


def check_annotation(obj: Object) -> None:
    """:raises InputError: ``k8s-step/template`` is neither ``"true"`` nor ``"false"``."""
    value = annotations_of(obj).get(UNTOUCHED, "true")
    if value not in ("true", "false"):
        hint = "put it in quotes" if isinstance(value, bool) else None
        raise InputError('the value is neither "true" nor "false"', where=UNTOUCHED, hint=hint)


def _objects(root: Node) -> list[Node]:
    """The document's root node, and the items if it is a ``List``."""
    items = field_node(root, "items")
    return [root, *items.items] if isinstance(items, SequenceNode) else [root]


def _is_untouched(node: Node) -> bool:
    for key in ("metadata", "annotations", UNTOUCHED):
        found = field_node(node, key)
        if found is None:
            return False
        node = found
    return isinstance(node, ScalarNode) and node.text == "false"


def substitute(text: str, values: Values, own: Collection[str] = ()) -> str:
    """``text`` with each ``${…}`` replaced; ``$NAME`` and ``$(NAME)`` stay, ``$${`` becomes a literal ``${``.

    As in a shell, ``:-`` and ``:?`` treat an empty value as missing. A default may contain further ``${…}``. Names in
    ``own`` stay too, unless ``--var`` or ``--vars-file`` gives them.

    :raises InputErrors: every name without a value and every malformed expression in the text.
    """
    expansion = _Expansion(values, frozenset(own))
    replaced = expansion.expand(text, 0)
    if expansion.errors:
        raise InputErrors(expansion.errors)
    return replaced


class _Expansion:
    def __init__(self, values: Values, own: frozenset[str]) -> None:
        self._values = values
        self._own = own
        self.errors: list[InputError] = []

    def expand(self, text: str, level: int) -> str:
        pieces = []
        done = 0
        while (start := text.find("${", done)) >= 0:
            if start > done and text[start - 1] == "$":
                pieces += [text[done : start - 1], "${"]
                done = start + 2
                continue
            end = closing(text, start)
            stop = end + 1 if end >= 0 else start + 2
            pieces += [text[done:start], self._replaced(text[start:stop], level)]
            done = stop
        return "".join([*pieces, text[done:]])

    def _replaced(self, written: str, level: int) -> str:
        try:
            return self._value(written, level)
        except InputError as error:
            self.errors.append(ExpressionError(error.message, written=written, hint=error.hint))
            return ""

    def _value(self, written: str, level: int) -> str:
        if self._is_own(written):
            return written
        name, form, rest = _parts(written)
        if name is None or level > _NESTED:
            raise _malformed(written, level)
        value = self._values.get(name)
        if form == ":-" and not value:
            return self.expand(rest, level + 1)
        if form == ":?" and not value:
            raise InputError(f"{name}: {rest}" if rest else f"{name} must be set, and not be empty")
        if value is None:
            raise self._values.unknown(name)
        return value

    def _is_own(self, written: str) -> bool:
        head = _HEAD.match(written)
        return bool(self._own and head and head[1] in self._own and not self._values.is_given(head[1]))


def _parts(written: str) -> tuple[str | None, str, str]:
    """``${NAME:-rest}`` as name, ``:-`` and rest; the name is ``None`` for a malformed expression."""
    found = _EXPRESSION.fullmatch(written)
    return (found[1], found[2] or "", found[3] or "") if found else (None, "", "")


def _malformed(written: str, level: int) -> InputError:
    """The error for a malformed expression; never repeats a default, which may be a secret."""
    if level > _NESTED:
        return InputError(f"defaults are nested deeper than {_NESTED} levels")
    if written == "${":
        return InputError("a ${ is not closed on its line", hint=_FORMS)
    if written.startswith("${{"):
        hint = _joined("pass the value with --var NAME=…", _LITERALLY)
        return InputError("${{ … }} is GitHub's own syntax and not known here", hint=hint)
    head = _HEAD.match(written)
    return InputError(f"{head[0] if head else '${'}…}} is malformed", hint=_FORMS)


# --- --var and --vars-file -----------------------------------------------------------------------------------------


def _assignment(number: int, text: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """``NAME=VALUE``; ``NAME`` alone takes the environment's value."""
    name, equals, value = text.partition("=")
    named = name if re.fullmatch(_HARMLESS, name) else f"entry {number}"
    if not _NAME.fullmatch(name):
        what = f"{named} is no such name" if equals else f"{named} has no ="
        raise InputError(f"--var takes NAME=VALUE, and {what}", hint="a value of several lines goes into a --vars-file")
    if equals:
        return name, value
    if name not in environment:
        message = f"--var takes NAME=VALUE, and {named} has no = and is not in the environment"
        raise InputError(message, hint=f"write --var {named}=…" if named == name else None)
    if not _is_utf8(environment[name]):
        raise InputError(f"the value of {name} in the environment is not UTF-8 text")
    return name, environment[name]


# Names that an error may repeat; any other text may be part of a secret.
_HARMLESS = "[A-Z][A-Z0-9_]{0,39}|[A-Za-z]{1,20}(?:[-.][A-Za-z]{1,20}){1,4}"


def _is_utf8(value: str) -> bool:
    """Whether the value is UTF-8: Python reads other bytes of the environment as surrogates."""
    return not re.search("[\ud800-\udfff]", value)


def _read_file(file: str) -> dict[str, str]:
    SecretFile(file, "--vars-file").check()
    try:
        text = decode(Path(file).read_bytes(), file)
    except FileNotFoundError as error:
        raise MissingFileError(f"the vars file cannot be read: {error.strerror}", path=file, where=file) from None
    except OSError as error:
        raise InputError(f"the vars file cannot be read: {error.strerror}", where=file) from None
    source = SourceText(file, text, is_filled_in=True)
    return _read_mapping(source) if Path(file).suffix in _MAPPING_FILES else _read_dotenv(source)


_MAPPING_FILES = (".yaml", ".yml", ".json")


def _read_mapping(source: SourceText) -> dict[str, str]:
    """Names and values of a YAML or JSON vars file; a value is the written text, so ``1.10`` stays ``1.10``."""
    documents = parse(source)
    if not documents:
        return {}
    root = documents[0].root
    if len(documents) > 1 or not isinstance(root, MappingNode):
        raise InputError("a vars file is one mapping of names to values", where=documents[-1].where)
    documents[0].build()
    found: dict[str, str] = {}
    for key, value in root.pairs:
        name = key.text if isinstance(key, ScalarNode) else ""
        if not _NAME.fullmatch(name):
            named = repr(name) if re.fullmatch(_HARMLESS, name) else "that"
            raise source.error(f"{named} is not a variable's name", key.line, "letters, digits and _")
        if not isinstance(value, ScalarNode):
            raise source.error(f"the value of {name} is not a single text or number", value.line)
        found[name] = value.text
    return found


def _read_dotenv(source: SourceText) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(source.text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        assignment = re.fullmatch(_DOTENV, line, re.VERBOSE)
        if not assignment:
            raise source.error("not of the form NAME=VALUE", number, "YAML goes into a file named .yaml")
        found[assignment["name"]] = _dotenv_value(assignment)
    return found


_DOTENV = r"""\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>(?!(?<=\s)\#)[^'"\s].*?)?)\s*(?:(?<=\s)\#.*)?"""
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def _dotenv_value(assignment: re.Match[str]) -> str:
    if assignment["double"] is not None:
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), assignment["double"])
    return assignment["single"] or assignment["bare"] or ""
