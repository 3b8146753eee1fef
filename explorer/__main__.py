"""``python -m explorer``."""

import os
import sys
from pathlib import Path

# ``-m`` looks for modules in the working directory first: a file there must not become one that a library asks for
sys.path[:] = [str(Path(__file__).parents[1]) if path in ("", os.getcwd()) else path for path in sys.path]

from explorer.cli.main import main  # noqa: E402

sys.exit(main())
