"""``--image NAME=REF``: container images replaced by name, with registry ports and digests told apart from tags.

References follow the grammar of distribution/reference; ``nginx`` and ``docker.io/library/nginx`` are one name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from k8s_step.errors import InputError, InputErrors
from k8s_step.objects.metadata import Object

_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = rf"(?P<name>{_NAME})?(?P<tag>:{_TAG})?(?P<digest>@{_DIGEST})?"
_SUFFIX = r"(?::[^/:@]*)?(?:@.*)?$"
_POD_SPECS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_TEMPLATES = (("spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template", "spec"))
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


class ImageReplacement(NamedTuple):
    """``reference`` is a whole image reference, or only ``:tag``, ``@digest`` or both, which keep the name."""

    name: str
    reference: str

    @classmethod
    def parse(cls, text: str) -> ImageReplacement:
        """From ``NAME=REF``.

        :raises InputError: a NAME with a tag or digest, an invalid REF.
        """
        name, equals, reference = (part.strip() for part in text.partition("="))
        where = f"--image {text}"
        if not equals or not name or not reference:
            raise InputError("an image is given as NAME=REF", where=where, hint="such as web=registry.example/web:1.2")
        if name != name_of(name):
            hint = f"write {name_of(name)}={reference}"
            raise InputError("NAME is the image's name without tag or digest", where=where, hint=hint)
        if not re.fullmatch(_NAME, name):
            raise InputError(f"{name!r} is not an image name", where=where, hint=_lower(name))
        check_reference(reference, where)
        return cls(name, reference)

    def applied_to(self, image: str) -> str:
        """The new image of a container that has ``image``."""
        return f"{name_of(image)}{self.reference}" if self.reference[0] in ":@" else self.reference


def check_reference(reference: str, where: str) -> None:
    """:raises InputError: the text is not an image reference."""
    if not reference or not re.fullmatch(_REFERENCE, reference):
        raise InputError(f"{reference!r} is not an image reference", where=where, hint=_lower(reference))


def name_of(image: str) -> str:
    """The image without tag and digest; the port of a registry stays.

    >>> name_of("registry:5000/app:1.2@sha256:" + "0" * 64)
    'registry:5000/app'
    """
    return re.sub(_SUFFIX, "", image)


def canonical(name: str) -> str:
    """The full name, as the container runtime completes it: ``docker.io/library/nginx`` for ``nginx``."""
    host, slash, path = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost" or host != host.lower()):
        host, path = "docker.io", name
    if host == "index.docker.io":
        host = "docker.io"
    return f"{host}/library/{path}" if host == "docker.io" and "/" not in path else f"{host}/{path}"


def containers(obj: Object) -> Iterator[dict[str, Any]]:
    """The containers of an object's pod spec or pod template; custom kinds are searched at the workloads' paths."""
    kind = str(obj.get("kind"))
    paths = (_POD_SPECS[kind],) if kind in _POD_SPECS else _TEMPLATES
    for spec in (_at(obj, path) for path in paths):
        for field in _CONTAINERS:
            listed = spec.get(field)
            yield from (item for item in listed if isinstance(item, dict)) if isinstance(listed, list) else ()


def replacements(texts: Iterable[str]) -> list[ImageReplacement]:
    """From ``NAME=REF`` texts.

    :raises InputErrors: malformed texts, and one name with two references.
    """
    errors: list[InputError] = []
    found: dict[str, ImageReplacement] = {}
    for text in texts:
        try:
            one = ImageReplacement.parse(text)
            other = found.setdefault(canonical(one.name), one)
            if other.reference != one.reference:
                raise InputError(f"{one.name} is already to become {other.reference}", where=f"--image {text}")
        except InputError as error:
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    return list(found.values())


def replace(objects: Iterable[Mapping[str, Any]], wanted: Sequence[ImageReplacement]) -> None:
    """Replace images in place, in every pod spec of ``objects``.

    :raises InputErrors: names that no container uses.
    """
    by_name = {canonical(one.name): one for one in wanted}
    present: set[str] = set()
    for container in (container for obj in objects for container in containers(obj)):
        image = container.get("image")
        if not isinstance(image, str):
            continue
        present.add(name_of(image))
        replacement = by_name.get(canonical(name_of(image)))
        if replacement:
            container["image"] = replacement.applied_to(image)
    known = {canonical(name) for name in present}
    unmatched = [_unmatched(one, present) for name, one in by_name.items() if name not in known]
    if unmatched:
        raise InputErrors(unmatched)


def _unmatched(replacement: ImageReplacement, present: set[str]) -> InputError:
    where = f"--image {replacement.name}={replacement.reference}"
    message = f"no container in the manifests uses an image named {replacement.name}"
    last = replacement.name.rpartition("/")[2]
    near = [name for name in sorted(present) if name.rpartition("/")[2] == last]
    from difflib import get_close_matches

    near = near or get_close_matches(replacement.name, sorted(present), n=3)
    if near:
        return InputError(message, where=where, hint=f"did you mean {' or '.join(near)}?")
    listed = ", ".join(sorted(present)[:10])
    return InputError(message, where=where, hint=f"there are {listed}" if listed else "there are no containers")


def _at(obj: Object, path: Sequence[str]) -> Mapping[str, Any]:
    value: Any = obj
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _lower(text: str) -> str | None:
    name = name_of(text)
    return "image names are lower case" if name != name.lower() else None


# --- by container, of one object -----------------------------------------------------------------------------------


def patch_of(live: Object, texts: Iterable[str]) -> dict[str, Any]:
    """The strategic merge patch that sets images of containers of ``live``, from ``CONTAINER=REF`` texts.

    :raises InputErrors: malformed texts, unknown containers, and a container given twice.
    """
    path = _POD_SPECS.get(str(live.get("kind")), _TEMPLATES[0])
    spec = _at(live, path)
    lists = {field: spec[field] for field in _CONTAINERS[:2] if isinstance(spec.get(field), list)}
    errors: list[InputError] = []
    patch: dict[str, Any] = {}
    for text in texts:
        try:
            field, container = _container(text, lists)
            if any(one["name"] == container["name"] for one in patch.get(field, ())):
                raise InputError(f"the container {container['name']} is given two images", where=f"--image {text}")
            patch.setdefault(field, []).append(container)
        except InputError as error:
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    for key in reversed(path):
        patch = {key: patch}
    return patch


def _container(text: str, lists: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    name, equals, reference = (part.strip() for part in text.partition("="))
    where = f"--image {text}"
    if not equals or not name:
        raise InputError("an image is given as CONTAINER=REF", where=where, hint="such as web=registry.example/web:1.2")
    check_reference(reference, where)
    for field, items in lists.items():
        for item in items:
            if item.get("name") == name:
                present = str(item.get("image") or "")
                return field, {"name": name, "image": ImageReplacement(name, reference).applied_to(present)}
    known = [str(item.get("name")) for items in lists.values() for item in items]
    hint = f"there are {', '.join(known)}" if known else "it has no containers"
    raise InputError(f"no container is named {name}", where=where, hint=hint)
