"""Writes the generated parts of README.md and action.yml."""

from tests.docs.tables import ACTION, README, action, readme

README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")
ACTION.write_text(action(ACTION.read_text(encoding="utf-8")), encoding="utf-8")
