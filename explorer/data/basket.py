"""The basket of a study: datapoints that somebody ticked, in their order, in ``basket.json`` of its folder.

```
{"format": 1, "ids": ["sft-0001", "dpo-0002"]}
```

Everybody who works with the study shares it. A file that can't be read is never overwritten.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from explorer.errors import ExplorerError
from explorer.files import write_json, writing
from explorer.reading import read_json

FILE = "basket.json"


def basket_file(study: Path) -> Path:
    """Where the basket of a study is kept."""
    return study / FILE


def read_basket(study: Path) -> list[str]:
    """Return the ids in the basket; none where there is no file. Raises ExplorerError for a damaged one."""
    path = basket_file(study)
    if not path.exists():
        return []
    content: dict[str, Any] = read_json(path, "format 1 and a list of 'ids'", dict[str, Any])
    ids = content.get("ids")
    if content.get("format") != 1 or not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
        raise ExplorerError(f"{path}: damaged, so that ticks are not saved; expected format 1 and a list of 'ids'.")
    return ids


def change_basket(study: Path, change: Callable[[dict[str, None]], object]) -> list[str]:
    """Change what is in the basket by a function of its ids as keys; return the new ids. Raises ExplorerError."""
    path = basket_file(study)
    with writing(path), FileLock(path.with_name(f".{path.name}.lock"), timeout=10):
        ids = dict.fromkeys(read_basket(study))
        change(ids)
        write_json(path, {"format": 1, "ids": list(ids)})
    return list(ids)
