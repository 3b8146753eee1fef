"""A study of a training that has just ended: ``study_from(trainer, folder)`` after TRL's or Transformers' trainers."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from explorer.data.checkpoints import resolve
from explorer.data.new_study import NewStudy, prepare_study
from explorer.errors import ExplorerError
from explorer.files import write_json_lines
from explorer.limits import MOST_TRAINING_TOKENS, TRAINING_TOKENS
from explorer.model import embedded
from explorer.repair.stages import write_stages
from explorer.studies.opened import OpenStudy, open_study
from explorer.studies.read_as import CHECKED, Reading, choose_reading
from explorer.studies.recipe import Told, kind_of, learns_from_itself, stage_of
from explorer.studies.trained_weights import (
    ADAPTERS,
    MODELS,
    Weights,
    base_of,
    is_adapter,
    save_weights,
    trained_model,
)
from explorer.studies.training_rows import rows_of, some_rows

Lists = str | Path | Iterable[Mapping[str, Any]]


def study_from(
    trainer: Any,
    folder: str | Path,
    *,
    name: str = "",
    base: str = "",
    after: Sequence[str] = (),
    stage: str = "",
    data: Any = None,
    checkpoints: bool = False,
    tell: Callable[[str], object] = print,
    **lists: Lists,
) -> OpenStudy:
    """Write the study of a training that has ended: its data as they were used, its model, its recipe.

    Call it in the main process after ``trainer.train()``. The next step is ``failure-explorer app FOLDER``.

    Args:
        trainer: TRL's ``SFTTrainer``, ``DPOTrainer`` or ``KTOTrainer``, or a ``Trainer`` of transformers that trains a
            causal model; others of TRL on answers or pairs too, which a repair can't train again.
        folder: where the study goes; nothing in it is overwritten. The trained weights are saved in it.
        name: of the study; default the folder's.
        base: the model before all training, default what the trainer's was loaded from.
        after: checkpoints between ``base`` and this training, in order. If the training went on from an adapter, it is
            the last of them; a DPO training of TRL's that holds a copy of it needs none.
        stage: name of this stage of training; default its kind (``sft``, ``dpo``, ``kto``).
        data: the data before the trainer made token ids of them, where it does not keep them: a file, or rows.
        checkpoints: also list the checkpoints that the trainer saved on the way.
        tell: called with a sentence on everything that was taken for granted.
        lists: ``behaviors``, ``failures``, ``discovery``, ``controls``, ``guard``: files or rows (``data/lists.py``).

    Raises ExplorerError for a trainer without data or text, a base that can't be found, or a folder that is in use;
    nothing is left of the study then.
    """
    model, kind, place = _checked(trainer, base), kind_of(trainer), Path(folder)
    training = _Training(trainer, model, kind, stage or kind or "training", base or base_of(model), tuple(after))
    with _undone(place), TemporaryDirectory(prefix="explorer-trained-") as scratch:
        reading, file = (None, data) if isinstance(data, str | Path) else training.rows(data, Path(scratch))
        options: Any = {what: _as_file(rows, Path(scratch) / f"{what}.jsonl") for what, rows in lists.items()}
        notes = training.write(place, file, reading, checkpoints, options | ({"name": name} if name else {}), scratch)
    for note in notes:
        tell(note)
    return open_study(place)


@dataclass(frozen=True)
class _Training:
    """A training that has ended.

    ``kind`` and ``stage`` as in ``training.json``; ``base`` and ``after`` as in ``study_from``, empty for none.
    """

    trainer: Any
    model: Any
    kind: str | None
    stage: str
    base: str
    after: tuple[str, ...]

    def rows(self, data: Any, scratch: Path) -> tuple[Reading, Path]:
        """How the rows are read, and the file that they were written to under their own names, with their stage."""
        tokenizer = getattr(self.trainer, "processing_class", None)
        tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
        if tokenizer is None:
            raise ExplorerError("The trainer has no tokenizer; give it as processing_class.")
        source = self.trainer.train_dataset if data is None else data
        if source is None or not (some := some_rows(source, CHECKED)):
            raise ExplorerError("The trainer has no train_dataset; give data=.")
        reading = choose_reading(some, self.model, tokenizer, getattr(self.trainer.args, "max_length", None))
        file = scratch / "train_dataset.jsonl"
        with file.open("w", encoding="utf-8", errors="backslashreplace") as lines:
            for row in reading.rows(rows_of(source), tokenizer):
                lines.write(json.dumps(row | {"stage": self.stage}, ensure_ascii=False, default=str) + "\n")
        return reading, file

    def write(
        self, place: Path, file: Any, reading: Reading | None, checkpoints: bool, options: Any, scratch: str
    ) -> list[str]:
        """Write the study; returns what was taken for granted, one sentence each."""
        options = _read_as(reading, self.trainer) | options
        try:
            new = prepare_study(place, model=self.base or embedded.NAME, data=file, checkpoints=self.after, **options)
        except ExplorerError as error:
            raise ExplorerError(str(error).replace(f"{scratch}/", "")) from error
        weights = save_weights(self.trainer, self.model, place, self.stage)
        new = _with_weights(new, weights, _on_the_way(self.trainer) if checkpoints else [], known=bool(self.base))
        (replace(new, turns=reading.turns) if reading else new).write()
        told = self.recipe(weights, new)
        if told.stage:
            write_stages(place, [told.stage])
        unknown = "the model before training has no name, so vectors are made in the trained one; give base="
        read = reading.sentences(type(self.trainer).__name__) if reading else []
        return [*read, *new.lines(), *told.notes, *([] if self.base else [unknown])]

    def recipe(self, weights: Weights, new: NewStudy) -> Told:
        """The stage for ``training.json``; none where the training began elsewhere than at the study's model."""
        earlier = resolve(new.folder, new.model, new.checkpoints[: len(self.after)])
        if any(not spec.adapter for spec in earlier):
            why = "a whole model lies between the base and this training, so no repair can repeat it"
            return Told(None, (f"{why}; give that as base=",))
        start = weights.start or (earlier[-1].adapter if earlier else None)
        rows = new.data.table.num_rows
        return stage_of(self.trainer, self.kind, self.stage, rows, weights.lora, start, weights.result)


def _checked(trainer: Any, base: str) -> Any:
    """The trainer's model. Raises ExplorerError for what is no trainer with data, or not the main process."""
    if not all(hasattr(trainer, part) for part in ("model", "args", "state", "train_dataset")):
        raise ExplorerError(f"{type(trainer).__name__} is no trainer of Transformers or TRL; expected one.")
    if learns_from_itself(trainer):
        raise ExplorerError(f"{type(trainer).__name__} learns from its own answers, which no training data hold.")
    if not getattr(trainer, "is_world_process_zero", lambda: True)():
        raise ExplorerError("study_from was called in a process that is not the main one; call it there alone.")
    model = trained_model(trainer)
    if is_adapter(model) and not (base or base_of(model)):
        raise ExplorerError("The model that the adapter was trained on was loaded from nowhere; give base=.")
    return model


@contextmanager
def _undone(folder: Path) -> Iterator[None]:
    """Take the saved weights away again where the study can't be made."""
    new, places = not folder.exists(), [folder / ADAPTERS, folder / MODELS]
    if taken := [place for place in places if place.exists()]:
        raise ExplorerError(f"{taken[0]}: is there already; expected a new folder for the study.")
    try:
        yield
    except BaseException:
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        if new:
            with suppress(OSError):
                folder.rmdir()
        raise


def _as_file(rows: Lists, file: Path) -> Path:
    if isinstance(rows, str | Path):
        return Path(rows)
    write_json_lines(file, [dict(row) for row in rows])
    return file


def _read_as(reading: Reading | None, trainer: Any) -> dict[str, Any]:
    """Options of ``prepare_study`` on how the rows are read."""
    longest = getattr(trainer.args, "max_length", None) or TRAINING_TOKENS
    settings: dict[str, Any] = {"max_tokens": max(16, min(int(longest), MOST_TRAINING_TOKENS))}
    if reading:
        settings |= {"template": reading.template, "end_of_turn": reading.end_of_turn}
    return settings


def _with_weights(new: NewStudy, weights: Weights, on_the_way: Sequence[str], known: bool) -> NewStudy:
    """The study with the trained checkpoint; ``known``: whether the model before training has a name."""
    if not known:
        return replace(new, model=weights.result)
    entries = (*new.checkpoints, *filter(None, [weights.start]), *on_the_way, weights.result)
    before = weights.start or (new.checkpoints[-1] if new.checkpoints else new.model)
    return replace(new, checkpoints=entries, reference=before if len(entries) > 1 else None)


def _on_the_way(trainer: Any) -> list[str]:
    """The checkpoints that the trainer saved before the last step, in order."""
    found = {
        int(path.name.rpartition("-")[2]): path for path in Path(trainer.args.output_dir).glob("checkpoint-*[0-9]")
    }
    return [str(path.resolve()) for step, path in sorted(found.items()) if step < trainer.state.global_step]
