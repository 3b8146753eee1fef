"""A survey: many failures read by one model, or by several. The folder that it stands in, and what its files say.

survey.json      what is surveyed: title, log, models, rule, whether maps are judged
cases.jsonl      one failure a line: what was asked, expected and said, and the two answers that are contrasted
rows.jsonl       one measured case a line, only added to: a killed survey goes on after the last whole line
notes.jsonl      marks and notes of people, only added to: the last line of a case counts
progress.json, log.txt, .lock, stop              the job's (see ``explorer.jobs``)
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.files import append_lines, write_json, write_json_lines
from explorer.model.spec import ModelSpec
from explorer.reading import as_type, read_json, read_whole_lines

SURVEYS = "surveys"
SETTINGS, CASES, ROWS, NOTES = "survey.json", "cases.jsonl", "rows.jsonl", "notes.jsonl"
FORMAT = 1
SMALL_GAP = 1.0
"""Logits up to which CAIW leaves a failure out; here it is marked."""
Outcome = Literal["M-IA", "NC-IA + M-AG", "NC-IA + AG"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Pattern = Literal["URT", "OIT", "both", "neither"]
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)
How = Literal["given", "choice", "aligned", "corrective", "exchanged", "first token", "yours"]
"""How the right side of a contrast was found; see ``explorer.surveys.contrasts``."""


@dataclass(frozen=True)
class LogAbout:
    """What a log said of itself: its file, harness and version, task, model and metric, how many samples failed."""

    name: str = ""
    harness: str = ""
    version: str = ""
    task: str = ""
    model: str = ""
    metric: str = ""
    samples: int = 0
    failed: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class SurveySettings:
    """``survey.json``.

    Attributes:
        title: for people; by default the log's name.
        models: (name, what is loaded) in training order; the last is the one whose failures are surveyed.
        rule: a key of ``RULES``, for maps and profiles.
        judged: whether outcomes, patterns and verdicts are measured, against random masks (minutes more).
        confirmed: whether the contrasts have been looked at, so that measuring may begin.
        log: where the failures come from.
    """

    title: str
    models: tuple[tuple[str, ModelSpec], ...]
    rule: str = "attnlrp"
    judged: bool = True
    confirmed: bool = False
    log: LogAbout = field(default_factory=LogAbout)
    format: int = FORMAT

    @property
    def spec(self) -> ModelSpec:
        """The model whose failures are surveyed."""
        return self.models[-1][1]


@dataclass(frozen=True)
class Case:
    """A failure of a survey.

    Attributes:
        id, prompt, system, raw, wrong, right, evidence, place: as in ``Failure``; ``right`` is empty while the
            contrast is not found yet.
        category: task, subject or tag.
        said, expected, check, choices: what the log says (see ``LoggedSample``).
        how: how the contrast was found.
    """

    id: str
    prompt: str
    wrong: str = ""
    right: str = ""
    system: str | None = None
    raw: bool = False
    evidence: str | None = None
    place: int | None = None
    category: str = ""
    said: str | None = None
    expected: tuple[str, ...] = ()
    check: str | None = None
    choices: tuple[str, ...] = ()
    how: How = "given"

    @property
    def failure(self) -> Failure:
        """The failure as every other page takes it."""
        fields = {name: getattr(self, name) for name in ("prompt", "wrong", "right", "system", "evidence", "raw")}
        return Failure(**fields, place=self.place, id=self.id, kind=self.category or "survey")


@dataclass(frozen=True)
class Reading:
    """How one model reads a case.

    Attributes:
        gap: Δℓ in logits.
        segments: segment → (Σ relevance towards the wrong answer, towards the right one, tokens), at the embeddings.
    """

    gap: float
    segments: dict[str, tuple[float, float, int]]


@dataclass(frozen=True)
class Row:
    """What was measured of a case; empty but for ``error`` where the model could not read it.

    Attributes:
        gap: Δℓ in logits under the surveyed model.
        sides: the contrasted words, wrong and right.
        tokens: of the prompt.
        outcome, pattern: see ``explorer.surveys.outcomes``; None where the model does not make the failure.
        percentile: share of random masks that close the gap less than masking the reddest tokens does, 0..1, the
            smaller of the replacements; None as above.
        graph_percentile: the same for ablated graph nodes; None where the map's own was enough.
        verdict, verdict_figures: of the map, where survey asked for them.
        reddest, bluest: (text, relevance) of the strongest tokens each way, strongest first.
        profile: Σ|relevance| of the tokens at each layer, 0 (embeddings) to L, as shares that sum to 1; what stands on
            the contrast's own column left out.
        sink_share: share of |relevance| on the first token, mean over the inner layers.
        readings: model → its reading; the surveyed model's is among them.
        seconds: that it took.
        error: why there is nothing else.
    """

    id: str
    gap: float | None = None
    sides: tuple[str, str] = ("", "")
    tokens: int = 0
    outcome: Outcome | None = None
    pattern: Pattern | None = None
    percentile: float | None = None
    graph_percentile: float | None = None
    verdict: Literal["holds", "disagree", "chance"] | None = None
    verdict_figures: str = ""
    reddest: tuple[tuple[str, float], ...] = ()
    bluest: tuple[tuple[str, float], ...] = ()
    profile: tuple[float, ...] = ()
    sink_share: float | None = None
    readings: dict[str, Reading] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""

    @property
    def mark(self) -> str:
        """Why the case is no full failure of this model, for people; empty where it is one."""
        if self.error:
            return self.error
        if self.gap is None or self.gap > SMALL_GAP:
            return ""
        return "not made by this model (Δℓ ≤ 0)" if self.gap <= 0 else f"small gap (Δℓ ≤ {SMALL_GAP:g})"

    @property
    def segments(self) -> dict[str, tuple[float, float, int]]:
        """Segment sums under the surveyed model, the last of the readings."""
        return [*self.readings.values()][-1].segments if self.readings else {}

    @property
    def peak(self) -> int | None:
        """The layer with the largest share of the profile."""
        return max(range(len(self.profile)), key=self.profile.__getitem__) if self.profile else None


@dataclass(frozen=True)
class Note:
    """What people noted of a case: ``seen`` and a text."""

    id: str
    seen: bool = False
    text: str = ""


@dataclass(frozen=True)
class Survey:
    """A survey as it stands: cases in order, rows of those that are measured, notes, by id."""

    folder: Path
    settings: SurveySettings
    cases: dict[str, Case]
    rows: dict[str, Row]
    notes: dict[str, Note]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    def categories(self) -> list[str]:
        """Categories in the order in which they appear."""
        return list(dict.fromkeys(case.category for case in self.cases.values()))


def surveys_of(study: Path) -> list[Path]:
    """Folders of a study's surveys, the newest first."""
    folders = [path.parent for path in (study / SURVEYS).glob(f"*/{SETTINGS}")]
    return sorted(folders, key=lambda folder: (folder / SETTINGS).stat().st_mtime, reverse=True)


def create_survey(folder: Path, settings: SurveySettings, cases: Sequence[Case]) -> Survey:
    """Write a survey that nothing is measured of yet. Raises ExplorerError for no cases, or a folder with a survey."""
    if (folder / SETTINGS).exists():
        raise ExplorerError(f"{folder}: there is a survey already ({SETTINGS}); choose another name.")
    if not cases:
        raise ExplorerError("No failure to survey: every sample of the log passed, or none has an expected answer.")
    folder.mkdir(parents=True, exist_ok=True)
    write_cases(folder, cases)
    write_settings(folder, settings)
    return read_survey(folder)


def write_settings(folder: Path, settings: SurveySettings) -> None:
    """Write ``survey.json`` in one step."""
    write_json(folder / SETTINGS, asdict(portable(settings, folder)))


def portable(settings: SurveySettings, folder: Path) -> SurveySettings:
    """Return the settings with paths of models inside the survey's study relative to ``folder``, which can move."""
    study = str(folder.absolute().parents[1]) + os.sep

    def relative(path: str | None) -> str | None:
        return os.path.relpath(path, folder.absolute()) if path and path.startswith(study) else path

    return _with_paths(settings, relative)


def _placed(settings: SurveySettings, folder: Path) -> SurveySettings:
    """The settings with such paths as they are on this machine."""

    def absolute(path: str | None) -> str | None:
        return os.path.normpath(folder.absolute() / path) if path and path.startswith("..") else path

    return _with_paths(settings, absolute)


def _with_paths(settings: SurveySettings, change: Callable[[str | None], str | None]) -> SurveySettings:
    models = tuple(
        (name, replace(spec, source=change(spec.source) or "", adapter=change(spec.adapter)))
        for name, spec in settings.models
    )
    return replace(settings, models=models)


def write_cases(folder: Path, cases: Iterable[Case]) -> None:
    """Write ``cases.jsonl`` in one step, fields at their defaults left out."""
    bare = asdict(Case("", ""))
    lines = ({k: v for k, v in asdict(case).items() if k in ("id", "prompt") or v != bare[k]} for case in cases)
    write_json_lines(folder / CASES, lines)


def read_survey(folder: Path) -> Survey:
    """Read a survey; rows that a kill cut short are measured again. Raises ExplorerError that names file and field."""
    path = folder / SETTINGS
    settings = _placed(read_json(path, "the settings of a survey", SurveySettings), folder)
    if settings.format != FORMAT or not settings.models:
        raise ExplorerError(
            f"{path}: format {settings.format}, {len(settings.models)} models; expected {FORMAT} and 1."
        )
    cases = _by_id(folder / CASES, Case, "a case of a survey")
    rows = _by_id(folder / ROWS, Row, "a measured case")
    notes = _by_id(folder / NOTES, Note, "a note")
    return Survey(folder, settings, cases, {id: rows[id] for id in cases if id in rows}, notes)


def _by_id(path: Path, kind: type[Any], expected: str) -> dict[str, Any]:
    items = (as_type(line, kind, path, expected) for line in read_whole_lines(path))
    return {item.id: item for item in items}


def add_row(folder: Path, row: Row) -> None:
    """Add a measured case."""
    append_lines(folder / ROWS, [asdict(row)])


def note(folder: Path, note: Note) -> None:
    """Mark a case, or write a note to it; the last one counts."""
    append_lines(folder / NOTES, [asdict(note)])


def change_contrast(folder: Path, id: str, wrong: str, right: str) -> None:
    """Contrast other answers in a case; what was measured of it is measured again."""
    survey = read_survey(folder)
    case = survey.cases.get(id)
    if case is None:
        raise ExplorerError(f"{folder}: no case '{id[:80]}'.")
    write_cases(
        folder,
        [
            replace(each, wrong=wrong, right=right, place=None, how="yours") if each.id == id else each
            for each in survey.cases.values()
        ],
    )
    write_json_lines(folder / ROWS, [asdict(row) for row in survey.rows.values() if row.id != id])
