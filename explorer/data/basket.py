"""The basket of a study: datapoints that somebody ticked, in their order, in ``basket.json`` of its folder.

```
{"format": 1, "ids": ["sft-0001", "dpo-0002"]}
```

Everybody who works with the study shares it. A file that can't be read is never overwritten.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from explorer.files import locked, write_json
from explorer.reading import read_json

FILE = "basket.json"


@dataclass(frozen=True)
class _Basket:
    format: Literal[1]
    ids: list[str]


def basket_file(study: Path) -> Path:
    """Where the basket of a study is kept."""
    return study / FILE


def read_basket(study: Path) -> list[str]:
    """Return the ids in the basket; none where there is no file. Raises ExplorerError for a damaged one."""
    path = basket_file(study)
    if not path.exists():
        return []
    basket: _Basket = read_json(path, "a basket of format 1, whose ticks are not saved until then", _Basket)
    return basket.ids


def change_basket(study: Path, change: Callable[[dict[str, None]], object]) -> list[str]:
    """Change what is in the basket by a function of its ids as keys; return the new ids. Raises ExplorerError."""
    path = basket_file(study)
    with locked(path):
        ids = dict.fromkeys(read_basket(study))
        change(ids)
        write_json(path, {"format": 1, "ids": list(ids)})
    return list(ids)
