"""Writes the generated parts of README.md, action.yml, docs/answers.md and docs/troubleshooting.md."""

from tests.docs.tables import ACTION, ANSWERS, README, TROUBLES, action, answers, readme, troubles

for path, made in ((README, readme), (ACTION, action), (ANSWERS, answers), (TROUBLES, troubles)):
    path.write_text(made(path.read_text(encoding="utf-8")), encoding="utf-8")
