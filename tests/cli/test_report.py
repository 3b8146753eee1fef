"""The command ``report``: a file of the kind that its name says, or one line that says why not."""

from pypdf import PdfReader

from explorer.cli.main import main
from tests.pages.data_study import data_study


def test_a_failure_becomes_a_page_or_a_pdf(tmp_path, capsys):
    study = data_study(tmp_path, built=False)
    for kind in ("html", "pdf"):
        words = ["report", str(study.folder), "--failure", "f", "--no-verdicts", "--title", "Mine"]
        assert main([*words, "--app", "http://localhost:1", "--out", str(tmp_path / f"r.{kind}")]) == 0
    page = (tmp_path / "r.html").read_text()
    assert "<h1>Mine</h1>" in page and 'href="http://localhost:1/graph?study=study&amp;case=f"' in page
    assert "Not in this report" in page and "explorer build" in page  # no vectors
    assert PdfReader(tmp_path / "r.pdf").pages[0].extract_text().startswith("Mine")


def test_what_can_t_be_written_is_told_before_the_work(tmp_path, capsys):
    assert main(["report", str(tmp_path / "none"), "--failure", "f", "--out", str(tmp_path / "r.docx")]) == 2
    assert "'docx'; expected html, pdf" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "none"), "--failure", "f", "--out", str(tmp_path / "r.pdf")]) == 2
    assert "none" in capsys.readouterr().err
