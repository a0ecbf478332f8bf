"""Profiles of the AWS SDKs' shared files: ``~/.aws/config`` and ``~/.aws/credentials``, or the environment's paths.

Source: "Shared config and credentials files" of the AWS SDKs and Tools Reference Guide; botocore's ``configloader``.
"""

from __future__ import annotations

import configparser
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from k8s_step.errors import InputError
from k8s_step.redaction.secretfile import SecretFile

DEFAULT = "default"
# Credentials that need a person or another program, by the profile's field that requests them.
_NOT_DONE = {
    "sso_session": "single sign-on, which a person has to confirm",
    "sso_start_url": "single sign-on, which a person has to confirm",
    "login_session": "aws login, which a person has to confirm",
    "mfa_serial": "a code of an MFA device",
    "credential_process": "a program of its own (credential_process)",
}
_HINT = "name another profile, or give the job an ID token and --aws-role-arn, or keys"


@dataclass(frozen=True)
class Profile:
    """One profile, with the fields of both files; the credentials file overrides the config file."""

    name: str
    values: Mapping[str, str] = field(repr=False)

    def get(self, name: str) -> str | None:
        return self.values.get(name, "").strip() or None

    @property
    def has_keys(self) -> bool:
        return bool(self.get("aws_access_key_id") or self.get("aws_secret_access_key"))

    @property
    def has_credentials(self) -> bool:
        """Whether the profile describes an identity; many contain only a region."""
        return self.has_keys or any(self.get(name) for name in ("role_arn", *_NOT_DONE))

    def check(self, where: str) -> None:
        """Raise :class:`InputError` if the profile needs a person or another program."""
        needs = None if self.has_keys and not self.get("role_arn") else self._asks_for()
        if needs:
            raise InputError(f"the AWS profile {self.name} asks for {needs}: the step can't", where=where, hint=_HINT)

    def _asks_for(self) -> str | None:
        return next((words for name, words in _NOT_DONE.items() if self.get(name)), None)


@dataclass(frozen=True)
class Profiles:
    """All profiles, and the ``chosen`` one; ``origin`` is the flag or variable that named it, empty for the default."""

    by_name: Mapping[str, Profile] = field(repr=False)
    chosen: str
    origin: str
    where: str
    files: str

    @classmethod
    def of(cls, environ: Mapping[str, str], where: str, given: str | None = None) -> Profiles:
        """Read the profiles of both files; ``given`` is a plug-in's ``--profile``. Raises :class:`InputError`."""
        named = {
            "--profile": given or "",
            "AWS_PROFILE": environ.get("AWS_PROFILE", "").strip(),
            "AWS_DEFAULT_PROFILE": environ.get("AWS_DEFAULT_PROFILE", "").strip(),
        }
        origin, chosen = next(((name, value) for name, value in named.items() if value), ("", DEFAULT))
        config = _path(environ, "AWS_CONFIG_FILE", "config")
        credentials = _path(environ, "AWS_SHARED_CREDENTIALS_FILE", "credentials")
        found = _merged(_sections(config, is_config=True), _sections(credentials, is_config=False))
        files = (
            SecretFile(str(config), "AWS_CONFIG_FILE"),
            SecretFile(str(credentials), "AWS_SHARED_CREDENTIALS_FILE"),
        )
        return cls(found, chosen, origin, where, " and ".join(file.name for file in files))

    @property
    def is_named(self) -> bool:
        return bool(self.origin)

    @property
    def default(self) -> Profile | None:
        """The default profile; ``None`` if it is missing or describes no identity."""
        default = self.by_name.get(DEFAULT)
        return default if default is not None and default.has_credentials else None

    def named(self, name: str, by: str) -> Profile:
        """The profile ``name``; ``by``, for errors, is the setting that names it. Raises :class:`InputError`."""
        if name not in self.by_name:
            message = f"{by} names the AWS profile {name}, which is not in {self.files}"
            raise InputError(message, where=self.where, hint=_HINT)
        return self.by_name[name]

    @property
    def region(self) -> str | None:
        """The chosen profile's region."""
        found = self.by_name.get(self.chosen)
        return found.get("region") if found else None


def _path(environ: Mapping[str, str], variable: str, name: str) -> Path:
    text = environ.get(variable, "").strip() or f"~/.aws/{name}"
    home = environ.get("HOME", "").strip()
    return Path(home, text[2:]) if text.startswith("~/") and home else Path(text).expanduser()


def _sections(path: Path, *, is_config: bool) -> dict[str, dict[str, str]]:
    """The fields by profile; the config file calls its sections ``profile NAME``, except ``default``."""
    parser = configparser.RawConfigParser(default_section="", strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except OSError:  # missing or not readable: no profiles, as with the SDKs
        return {}
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text", where=str(path)) from None
    except configparser.Error as error:  # the parser's message quotes the line, which may contain a key
        raise InputError("is no file of AWS profiles", where=f"{path}:{_line(error)}") from None
    found = {_profile(section, is_config=is_config): dict(parser.items(section)) for section in parser.sections()}
    return {name: values for name, values in found.items() if name}


def _line(error: configparser.Error) -> int:
    wrong = getattr(error, "errors", None)  # only some kinds of ParsingError have it
    return int(wrong[0][0] if wrong else getattr(error, "lineno", 1))


def _profile(section: str, *, is_config: bool) -> str:
    """The profile's name in a section's title; empty for a section of another kind (``sso-session``)."""
    if not is_config or section == DEFAULT:
        return section
    try:
        words = shlex.split(section)
    except ValueError:
        return ""
    return words[1] if len(words) == 2 and words[0] == "profile" else ""


def _merged(config: Mapping[str, Mapping[str, str]], keys: Mapping[str, Mapping[str, str]]) -> dict[str, Profile]:
    return {name: Profile(name, {**config.get(name, {}), **keys.get(name, {})}) for name in {**config, **keys}}
