"""Renders ``*.j2`` manifests with Jinja2, strict and sandboxed, and maps each rendered line to the template's line.

Only this module imports Jinja2, and it is imported only for a ``*.j2`` file. Rendered text is not searched for
``${…}``: each file has one template language.
"""

from __future__ import annotations

import base64
import json
import re
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from k8s_step.errors import InputError
from k8s_step.manifests.documents import SourceText
from k8s_step.manifests.templating.templates import Values

try:
    import jinja2
    from jinja2.ext import Extension
    from jinja2.lexer import Token, TokenStream
    from jinja2.sandbox import SandboxedEnvironment
except ImportError:
    raise InputError("a *.j2 file needs Jinja2, which is not installed", hint="pip install 'k8s-step[jinja]'") from None
_LITERALLY = "where it is meant literally, put it between {% raw %} and {% endraw %}, or give --no-template"
_MARK = "\uf8fe"
_MARKED = re.compile(f"{_MARK}(\\d+){_MARK}")
_UNSAFE_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def render(file: str, text: str, values: Values) -> SourceText:
    """The rendered text of a template; includes are read from the template's folder and its subfolders.

    Lines that hold nothing but a ``{% %}`` tag leave no empty line behind.

    :raises InputError: a syntax error, an unknown name or any other failure of the template, with file and line.
    """
    plain = _rendered(_environment(file, values, []), file, text, values)
    marked = _rendered(_environment(file, values, [_LineMarks]), file, text, values)
    lines = _lines(marked) if _MARKED.sub("", marked) == plain else ()
    return SourceText(file, plain, lines, is_filled_in=True)


def quoted(value: Any) -> str:
    """The value as one line of JSON that YAML reads back as the same value.

    Only characters that YAML forbids are escaped: JSON's escapes of other characters may be surrogate pairs, which YAML
    does not know.
    """
    text = json.dumps(value, ensure_ascii=False)
    return _UNSAFE_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _LineMarks(Extension):
    """Marks every line of the template's own text with its number; :func:`_lines` reads the marks."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        for token in stream:
            yield Token(token.lineno, "data", _marked(token)) if token.type == "data" else token


def _marked(token: Token) -> str:
    """The token's text with each line marked; an empty last line is not, since a tag follows it on the same line."""
    *whole, last = token.value.split("\n")
    lines = [f"{_MARK}{number}{_MARK}{line}" for number, line in enumerate(whole, token.lineno)]
    return "\n".join([*lines, f"{_MARK}{token.lineno + len(whole)}{_MARK}{last}" if last else ""])


def _lines(marked: str) -> tuple[int, ...]:
    """The template's line of each rendered line; all lines of a multi-line value get its expression's line."""
    lines = []
    current = 1
    for line in marked.splitlines():
        numbers = _MARKED.findall(line)
        lines.append(int(numbers[0]) if numbers else current)
        current = int(numbers[-1]) if numbers else current
    return tuple(lines)


def _environment(file: str, values: Values, extensions: list[type[Extension]]) -> SandboxedEnvironment:
    class Unknown(jinja2.StrictUndefined):
        """Reports an unknown name as ``${NAME}`` templates do, with the nearest known name."""

        @property
        def _undefined_message(self) -> str:
            if self._undefined_obj is not jinja2.utils.missing or not self._undefined_name:
                return super()._undefined_message
            error = values.unknown(self._undefined_name, "{{ %s | default('…') }}", _LITERALLY)
            return f"{error.message}: {error.hint}"

    environment = SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(Path(file).parent),
        undefined=Unknown,
        extensions=extensions,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(tojson=quoted, to_json=quoted, to_yaml=quoted, quote=_quoted_text, b64encode=_base64)
    return environment


def _quoted_text(value: Any) -> str:
    return quoted(str(value))


def _base64(value: Any) -> str:
    return base64.b64encode(str(value).encode()).decode()


def _rendered(environment: SandboxedEnvironment, file: str, text: str, values: Values) -> str:
    try:
        return environment.from_string(text).render(values.known())
    except jinja2.TemplateSyntaxError as error:
        raise InputError(error.message or "a syntax error", where=f"{error.filename or file}:{error.lineno}") from None
    except jinja2.TemplateNotFound as error:
        message = f"{error.name} is not in the template's folder"
        raise InputError(message, where=_where(error, file)) from None
    except jinja2.TemplateError as error:
        raise InputError(error.message or type(error).__name__, where=_where(error, file)) from None
    except Exception as error:  # raised by the template's own expressions; the message may contain values
        raise InputError(f"the template fails with {type(error).__name__}", where=_where(error, file)) from None


def _where(error: Exception, file: str) -> str:
    """``file:line`` of the innermost template frame: Jinja2 rewrites tracebacks to show the template's lines."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    folder = str(Path(file).parent)
    ours = [(name, line) for name, line in frames if name == "<template>" or _is_template(name, folder)]
    name, line = ours[-1] if ours else ("<template>", 1)
    return f"{file if name == '<template>' else name}:{line}"


def _is_template(name: str, folder: str) -> bool:
    return Path(name).is_relative_to(folder) and not name.endswith(".py")
