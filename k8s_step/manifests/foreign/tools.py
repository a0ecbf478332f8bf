"""Recognizes files of other tools that are no manifests, and names the command that makes manifests of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath

from k8s_step.errors import InputError
from k8s_step.objects.metadata import Object

_HELM = (
    r"\{\{-?\s*(?:\.(?:Values|Release|Chart|Files|Capabilities|Template)\b|\$\.Values\b|/\*"
    r"|(?:if|else|range|with|include|template|define|block|toYaml|tpl|printf|default|fail|required|lookup)\s"
    r"|end\s*-?\}\})"
)
_CHART = "Chart.yaml"
_PLAIN = "crds"  # a chart's folder of plain manifests


# --- Helm ----------------------------------------------------------------------------------------------------------


def without_charts(files: Sequence[str]) -> tuple[list[str], list[InputError]]:
    """The files without those of Helm charts' sources, and one error for each chart."""
    known: dict[Path, Path | None] = {}
    roots = {file: _chart_of(file, known) for file in files}
    charts = {root for file, root in roots.items() if root is not None and _speaks_for_chart(Path(file), root)}
    kept = [file for file, root in roots.items() if root not in charts or _is_plain(Path(file), root)]
    return kept, [_chart_error(root) for root in sorted(charts)]


def _chart_of(file: str, known: dict[Path, Path | None]) -> Path | None:
    """The folder of the outermost chart that contains the file, as charts may contain charts; ``None`` without one."""
    folder = Path(file).parent
    if folder not in known:
        above = [one for one in (folder, *folder.parents) if (one / _CHART).is_file()]
        known[folder] = above[-1] if above else None
    return known[folder]


def _speaks_for_chart(file: Path, root: Path) -> bool:
    """Whether the file shows that the chart needs rendering: ``templates`` without Helm's expressions are manifests."""
    if file.parent == root:
        return file.name == _CHART or file.name.startswith("values")
    return "templates" in file.relative_to(root).parts and _has_helms_marks(file)


def _has_helms_marks(file: Path) -> bool:
    try:
        return bool(re.search(_HELM, file.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return False  # reported when the file is read as a manifest


def _is_plain(file: Path, root: Path | None) -> bool:
    return root is not None and _PLAIN in file.relative_to(root).parts[:-1]


def _chart_error(root: Path) -> InputError:
    folder = str(root) if root.is_absolute() else f"./{root}"
    hint = f"render it first: helm template NAME {folder} | k8s-step apply -f -"
    return InputError("this is a Helm chart, not manifests", where=f"{root / _CHART}:1", hint=hint)


def template_error(file: str, text: str) -> InputError | None:
    """The error for an unreadable text that contains Helm's expressions; ``None`` for any other text."""
    found = re.search(_HELM, text)
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    hint = "render its chart first: helm template NAME CHART | k8s-step apply -f -"
    return InputError("this is a template of a Helm chart, not a manifest", where=f"{file}:{line}", hint=hint)


# --- recognized by content -----------------------------------------------------------------------------------------


def foreign(obj: Object, file: str) -> tuple[str, str] | None:
    """The kind of file and the next move, for an object of another tool; ``None`` if it may be a manifest."""
    name = PurePath(file).name.lower()
    return next(((what, hint(file)) for is_it, what, hint in _KINDS if is_it(obj, name)), None)


def _is_kustomization(obj: Object, name: str) -> bool:
    named = name in ("kustomization.yaml", "kustomization.yml") and "kind" not in obj
    return named or str(obj.get("apiVersion")).startswith("kustomize.config.k8s.io/")


def _is_chart(obj: Object, name: str) -> bool:
    return "kind" not in obj and (name == _CHART.lower() or {"apiVersion", "name", "version"} <= obj.keys())


def _is_compose(obj: Object, _: str) -> bool:
    services = obj.get("services")
    if "apiVersion" in obj or "kind" in obj or not isinstance(services, dict):
        return False
    return any(isinstance(one, dict) and one.keys() & {"image", "build"} for one in services.values())


def _is_kubeconfig(obj: Object, _: str) -> bool:
    return obj.get("kind") == "Config" and {"clusters", "contexts"} <= obj.keys()


def _is_workflow(obj: Object, _: str) -> bool:
    """Whether this is a GitHub workflow, whose key ``on`` YAML reads as ``true``."""
    return "kind" not in obj and "jobs" in obj and bool(obj.keys() & {"on", "true"})


def _is_values(obj: Object, name: str) -> bool:
    return name.startswith("values") and not obj.keys() & {"apiVersion", "kind", "metadata"}


def _is_tools_own(obj: Object, _: str) -> bool:
    return str(obj.get("apiVersion")).partition("/")[0] in _TOOLS


def _is_anything(obj: Object, _: str) -> bool:
    return not obj.keys() & {"apiVersion", "kind", "metadata"}


_TOOLS = frozenset(
    ["skaffold", "kind.x-k8s.io", "k3d.io", "eksctl.io", "kubeadm.k8s.io", "kubelet.config.k8s.io", "audit.k8s.io"]
)


def _through_kustomize(file: str) -> str:
    folder = "FOLDER" if file == "stdin" else str(PurePath(file).parent)
    return f"give -k {folder} instead, or pipe it: kubectl kustomize {folder} | k8s-step apply -f -"


_KINDS: tuple[tuple[Callable[[Object, str], bool], str, Callable[[str], str]], ...] = (
    (_is_kustomization, "a Kustomization is no manifest for the API server", _through_kustomize),
    (
        _is_chart,
        "this is a Helm chart, not a manifest",
        lambda _: "render it first: helm template NAME CHART | k8s-step apply -f -",
    ),
    (
        _is_compose,
        "this is a compose file, not a manifest",
        lambda file: f"make manifests of it first: kompose convert -f {file} --stdout | k8s-step apply -f -",
    ),
    (_is_kubeconfig, "this is a kubeconfig, not a manifest", lambda file: f"say --kubeconfig {file}"),
    (_is_workflow, "this is a GitHub workflow, not a manifest", lambda _: "name the manifests' files or their folder"),
    (
        _is_values,
        "this file of values is no manifest",
        lambda file: f"for a Helm chart, helm template NAME CHART -f {file}; for ${{NAME}}, --vars-file {file}",
    ),
    (_is_tools_own, "this is another tool's configuration, not a manifest", lambda _: "leave the file out of -f"),
    (
        _is_anything,
        "this is no manifest: apiVersion, kind and metadata are missing",
        lambda _: "is the file another tool's? Then leave it out",
    ),
)


# --- unfilled templates --------------------------------------------------------------------------------------------


def unfilled(texts: Iterable[object]) -> bool:
    """Whether a name or image still contains a Helm expression, which YAML accepts in quotes."""
    return any(isinstance(text, str) and "{{" in text and re.search(_HELM, text) for text in texts)
