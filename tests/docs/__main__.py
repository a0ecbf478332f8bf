"""Writes the generated parts of README.md, action.yml and docs/answers.md."""

from tests.docs.tables import ACTION, ANSWERS, README, action, answers, readme

for path, made in ((README, readme), (ACTION, action), (ANSWERS, answers)):
    path.write_text(made(path.read_text(encoding="utf-8")), encoding="utf-8")
