"""The edited data for another trainer."""

from explorer.repair.export import edit_rows


def test_edited_rows_for_somebody_elses_trainer(study):
    table = study.datapoints()
    pair = next(row for row in table.to_pylist() if row.get("chosen"))
    swapped = {row["id"]: row for row in edit_rows(table, {pair["id"]}, "swap")}
    assert len(swapped) == table.num_rows and swapped[pair["id"]]["chosen"] == pair["rejected"]
    assert len(edit_rows(table, {pair["id"]}, "drop")) == table.num_rows - 1
