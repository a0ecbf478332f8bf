"""Where a measurement is published: a file by date in ``benchmarks/results``, and its part of a page of the docs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.bench.results.plot import draw
from tests.bench.results.results import Results, to_json
from tests.bench.results.table import markdown

ROOT = Path(__file__).resolve().parents[3]


def publish(results: Results, root: Path = ROOT) -> list[Path]:
    """Write the files and the page; their paths."""
    folder = root / "benchmarks" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / results.date
    data, page, picture = (base.with_suffix(ending) for ending in (".json", ".md", ".png"))
    data.write_text(json.dumps(to_json(results), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draw(results, picture)
    text = markdown(results)
    page.write_text(f"# Measured on {results.date}\n\n{text}\n![]({picture.name})\n", encoding="utf-8")
    docs = root / "docs"
    (docs / "performance.png").write_bytes(picture.read_bytes())
    more = f"![The same as bars](performance.png)\n\n[Each sample](../benchmarks/results/{data.name})."
    put(docs / "performance.md", "measured", f"{text}\n{more}\n")
    return [data, page, picture, docs / "performance.md", docs / "performance.png"]


def put(path: Path, name: str, text: str) -> None:
    """Replace what stands between the page's marks ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    page = path.read_text(encoding="utf-8")
    made, count = re.subn(f"{begin}.*?{end}", lambda _: f"{begin}{text}{end}", page, flags=re.S)
    if count != 1:
        raise ValueError(f"{path.name} has no part between {begin.strip()} and {end}")
    path.write_text(made, encoding="utf-8")
