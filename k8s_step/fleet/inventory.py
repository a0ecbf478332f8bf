"""The clusters file: a YAML list of clusters, each with a name and the connection options of the command line."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from k8s_step.connection.headers import is_secret
from k8s_step.errors import InputError, InputErrors
from k8s_step.fleet.member import Member
from k8s_step.inputs import Inputs, parsed
from k8s_step.manifests.documents import SourceText, parse
from k8s_step.manifests.files import read_text
from k8s_step.manifests.nodes import MappingNode, Node, ScalarNode, SequenceNode
from k8s_step.options import OF_CLUSTERS, Option
from k8s_step.redaction.secretfile import is_there

_NAME = "name"
_FROM = "-env"  # ``token-env: EU_TOKEN`` takes the token from the variable EU_TOKEN
_PATHS = ("token-file", "kubeconfig", "ca", "vars-file")  # looked for beside the clusters file first
_KNOWN: Mapping[str, Option] = {option.name: option for option in OF_CLUSTERS}
_CLOUDS = ("eks_cluster", "gke_cluster", "aks_cluster")
# Of each group, a cluster that says one itself takes none of the others from the command line or the environment.
_WAYS = ("server", *_CLOUDS, "contexts", "kubeconfigs")
_IDENTITIES = ("token", "token_file", "oidc_audience")


def read_inventory(path: str, inputs: Inputs, environ: Mapping[str, str]) -> list[Member]:
    """The clusters that the file lists; ``inputs`` are those of the run, for what a cluster does not say itself.

    Raises :class:`InputErrors` with the file and line of each mistake.
    """
    source = SourceText(path, read_text(path))
    errors: list[InputError] = []
    clusters: dict[str, Member] = {}
    for node in _entries(source):
        try:
            one = _Entry(source, node, environ).cluster(inputs)
            if clusters.setdefault(one.name, one) is not one:
                raise source.error(f"another cluster of the file is named {one.name} too", node.line)
        except InputErrors as found:
            errors += found.errors
        except InputError as error:
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    hidden = tuple(dict.fromkeys(name for one in clusters.values() for name in one.hidden))
    return [replace(one, hidden=hidden) for one in clusters.values()]


def _entries(source: SourceText) -> Sequence[Node]:
    documents = parse(source)
    root = documents[0].root if len(documents) == 1 else None
    if root is not None:
        documents[0].build()  # for the mistakes of YAML itself, such as a key that is there twice
    if isinstance(root, MappingNode):
        named = [value for key, value in root.pairs if isinstance(key, ScalarNode) and key.text == "clusters"]
        root = named[0] if len(named) == len(root.pairs) == 1 else None
    if not isinstance(root, SequenceNode) or not root.items:
        hint = "clusters: [{name: eu, context: prod-eu}, …]"
        raise InputError("a list of clusters belongs there, and nothing else", where=source.where(1), hint=hint)
    return root.items


@dataclass
class _Entry:
    """One cluster of the file; ``hidden`` are the variables that its secrets come from."""

    source: SourceText
    node: Node
    environ: Mapping[str, str] = field(repr=False)
    hidden: list[str] = field(default_factory=list)

    def cluster(self, inputs: Inputs) -> Member:
        """The cluster. Raises :class:`InputErrors`."""
        name = self._name()
        fields: dict[str, Any] = {}
        errors: list[InputError] = []
        for key, value in self._pairs():
            try:
                option, text = self._given(key, value)
                fields[option.field] = parsed(option, text, self.source.where(key.line))
            except InputError as error:
                errors.append(error)
        if errors:
            raise InputErrors(errors)
        base = without_rivals(inputs, fields)
        for added in ("variables", "vars_file"):  # the last one wins: the cluster's own
            fields[added] = (*getattr(base, added), *fields.get(added, ()))
        where = f"{self.source.where(self.node.line)}: cluster {name}"
        sources = {**base.sources, **dict.fromkeys(fields, where)}
        return Member(name, base._replace(clusters_file=None, sources=sources, **fields), tuple(self.hidden))

    def _pairs(self) -> Iterator[tuple[ScalarNode, Node]]:
        pairs = self.node.pairs if isinstance(self.node, MappingNode) else ()
        return ((key, value) for key, value in pairs if isinstance(key, ScalarNode) and key.text != _NAME)

    def _name(self) -> str:
        pairs = self.node.pairs if isinstance(self.node, MappingNode) else ()
        named = [value for key, value in pairs if isinstance(key, ScalarNode) and key.text == _NAME]
        name = named[0].text.strip() if named and isinstance(named[0], ScalarNode) else ""
        if not name:
            raise self.source.error("a cluster needs a name", self.node.line, "name: eu")
        if any(letter in name for letter in ",;\n"):
            message = f"{name!r} can't be told in --waves"
            raise self.source.error(message, named[0].line, "a name without comma, semicolon and line break")
        return name

    def _given(self, key: ScalarNode, value: Node) -> tuple[Option, Any]:
        """The option that a key names, and its text or texts. Raises :class:`InputError`."""
        name = key.text
        if name.endswith(_FROM) and (option := _KNOWN.get(name.removesuffix(_FROM))):
            return option, self._from_environment(option, value)
        if name not in _KNOWN:
            hint = f"known are {_NAME}, {', '.join(_KNOWN)}; with {_FROM} each takes the name of a variable"
            raise self.source.error(f"{name} is no option of a cluster", key.line, hint)
        option = _KNOWN[name]
        if option.secret:
            message = f"the file is no place for a secret such as {name}"
            raise self.source.error(message, key.line, f"{name}{_FROM}: VARIABLE, or token-file: PATH")
        texts = self._texts(option, value)
        if option.kind == "headers" and any(is_secret(text.partition(":")[0]) for text in texts):
            message = "the file is no place for a secret header"
            raise self.source.error(message, key.line, f"{name}{_FROM}: VARIABLE")
        if option.name in _PATHS:
            texts = tuple(self._placed(text) for text in texts)
        return option, texts if option.is_list else texts[0]

    def _from_environment(self, option: Option, value: Node) -> str:
        variable = value.text if isinstance(value, ScalarNode) else ""
        text = self.environ.get(variable, "")
        if not text.strip():
            message = f"the variable {variable} is not set" if variable else "the name of a variable belongs there"
            raise self.source.error(message, value.line, "does the CI system pass the secret on to this job?")
        self.hidden += [variable] if option.secret or option.kind == "headers" else []
        return text

    def _texts(self, option: Option, value: Node) -> tuple[str, ...]:
        """The value's texts as they are written: one, or several of a list."""
        nodes: Sequence[Node] = (value,)
        if isinstance(value, SequenceNode) and option.is_list:
            nodes = value.items
        if isinstance(value, MappingNode) and option.field == "variables":
            pairs = [(key, each) for key, each in value.pairs if isinstance(key, ScalarNode)]
            return tuple(f"{key.text}={self._scalar(each)}" for key, each in pairs)
        return tuple(map(self._scalar, nodes))

    def _scalar(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            raise self.source.error("a single text or number belongs there", node.line)
        return node.text

    def _placed(self, text: str) -> str:
        """A path beside the clusters file, where there is such a file; ``ca`` may be no path at all."""
        beside = Path(self.source.file).parent / text
        return str(beside) if is_there(beside) else text


def without_rivals(inputs: Inputs, fields: Container[str]) -> Inputs:
    """The run's inputs without those that a cluster's own contradict: another way to a server, another identity."""
    dropped: set[str] = set()
    if any(each in fields for each in _WAYS):
        kept = {"kubeconfigs"} if "contexts" in fields else set()
        dropped |= set(_WAYS) - kept
    if any(each in fields for each in (*_IDENTITIES, *_CLOUDS)):
        dropped |= set(_IDENTITIES)
    defaults = Inputs()
    return inputs._replace(**{each: getattr(defaults, each) for each in dropped})
