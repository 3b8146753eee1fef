"""Settings of a study that are changed after it was made."""

import re

from explorer.data.study import SETTINGS, Study, open_study
from explorer.errors import ExplorerError
from explorer.files import write_whole
from explorer.reading import read_text


def set_max_tokens(study: Study, tokens: int) -> Study:
    """Write ``max_tokens`` into ``study.toml``, where whatever reads the study's rows finds it; return the study.

    Raises ExplorerError for a number that the setting can't be; the file is then as it was.
    """
    path = study.folder / SETTINGS
    before = read_text(path, "the settings of a study")
    rest = re.sub(r"(?m)^max_tokens\s*=.*\n?", "", before)
    write_whole(path, lambda scratch: scratch.write_text(f"max_tokens = {tokens}\n{rest}", encoding="utf-8"))
    try:
        return open_study(study.folder)
    except ExplorerError:
        write_whole(path, lambda scratch: scratch.write_text(before, encoding="utf-8"))
        raise
