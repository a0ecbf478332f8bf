"""``python -m tests.image``: build the image and say how big it is."""

from __future__ import annotations

import sys

from tests.image.build import built
from tests.image.tools import UnavailableError

try:
    print(built().size)
except UnavailableError as reason:
    sys.exit(f"the image can't be built here: {reason}")
