"""What an object's annotations say of its place in a release: its wave, and the objects that it depends on."""

from __future__ import annotations

import re

from k8s_step.errors import InputError
from k8s_step.objects.metadata import Object, annotations_of

WAVE = "k8s-step/wave"
DEPENDS_ON = "config.kubernetes.io/depends-on"
_NUMBER = r"[+-]?[0-9]{1,9}"
_FORMS = "write GROUP/namespaces/NAMESPACE/KIND/NAME, or GROUP/KIND/NAME where there is no namespace"

Key = tuple[str, str, str, str]  # group, kind, namespace and name, as in :attr:`Reference.key`


def wave_of(obj: Object) -> int:
    """The number in the ``k8s-step/wave`` annotation, 0 without one. Raises :class:`InputError`."""
    value = annotations_of(obj).get(WAVE)
    if value is None or value == "":
        return 0
    if not isinstance(value, str):
        raise InputError(f"the value {value} is not text", where=WAVE, hint=f'put it in quotes: "{value}"')
    if not re.fullmatch(_NUMBER, value.strip()):
        raise InputError(f"{value!r} is not a whole number", where=WAVE, hint='"0", "1", "-1", … in rising order')
    return int(value)


def dependencies_of(obj: Object) -> list[Key]:
    """The objects in the ``config.kubernetes.io/depends-on`` annotation, each once. Raises :class:`InputError`.

    Source: ``pkg/object/dependson/strings.go`` of sigs.k8s.io/cli-utils. The core group is empty:
    ``/namespaces/shop/ConfigMap/settings``.
    """
    text = str(annotations_of(obj).get(DEPENDS_ON) or "").strip()
    return list(dict.fromkeys(_parsed(word.strip()) for word in text.split(","))) if text else []


def written(key: Key) -> str:
    """The object as the ``config.kubernetes.io/depends-on`` annotation names it."""
    group, kind, namespace, name = key
    return "/".join([group, *(["namespaces", namespace] if namespace else []), kind, name])


def _parsed(word: str) -> Key:
    parts = word.split("/")
    if len(parts) == 5 and parts[1] == "namespaces":
        group, _, namespace, kind, name = parts
    elif len(parts) == 3:
        (group, kind, name), namespace = parts, ""
    else:
        raise InputError(f"{word!r} names no object", where=DEPENDS_ON, hint=_FORMS)
    if not kind or not name or (len(parts) == 5 and not namespace):
        raise InputError(f"{word!r} leaves out a part of the name", where=DEPENDS_ON, hint=_FORMS)
    return group, kind, namespace, name
