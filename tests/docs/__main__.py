"""Writes the generated parts of action.yml and of docs/options.md, answers.md and troubleshooting.md."""

from tests.docs.tables import ACTION, ANSWERS, OPTIONS, TROUBLES, action, answers, options_page, troubles

for path, made in ((OPTIONS, options_page), (ACTION, action), (ANSWERS, answers), (TROUBLES, troubles)):
    path.write_text(made(path.read_text(encoding="utf-8")), encoding="utf-8")
