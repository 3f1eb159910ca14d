"""A search for a setting: what people read about it."""

from __future__ import annotations

import documents
import pages

from pytest_pipeline.report import html
from pytest_pipeline.report.terminal import summary_lines
from pytest_pipeline.report.tunings import make_tuning


def view(**changes):
    return make_tuning({**documents.tuned()["tunings"][0], **changes})


def test_the_setting_to_take_comes_first_with_what_was_promised_and_what_came():
    assert view().lead == (
        "Tuned over 31 settings: best is threads with workers parse 2; queue_size parse 4, "
        "1.80x (1.75x to 1.85x) of the speed as declared, predicted 1.90x, tied with faster ones that need more workers."
    )


def tied(*settings):
    """Return the first sentence where the best setting has 5 workers and 1.80x, and these (workers, speedup) tie."""
    one = documents.tuned()["tunings"][0]["ties"][0]
    ties = [
        {**one, "total_workers": workers, "speedup": {**one["speedup"], "value": value}}
        for workers, value in settings
    ]
    return view(ties=ties).lead


def test_ties_are_called_faster_only_where_they_are():
    assert tied((6, 1.75)).endswith(", which cannot be told from 1 other setting.")
    assert tied((6, 1.75), (7, 1.7)).endswith(", which cannot be told from 2 other settings.")
    assert tied((6, 1.75), (7, 1.9)).endswith(", tied with faster ones that need more workers.")


def test_ties_that_are_faster_on_as_many_workers_are_not_said_to_need_more():
    assert tied((5, 1.85)).endswith(", which cannot be told from 1 other setting.")


def test_what_to_write_why_it_ended_and_who_ties_are_said():
    notes = view().notes
    assert notes[0] == "Write Stage(parse, workers=2, queue_size=4)"
    assert notes[1].startswith("The search ended: no other setting is predicted")
    assert "threads with workers parse 3; the fewest workers win" in notes[2]
    assert notes[3] == "cuda could not run here: no CUDA device"


def test_every_setting_stands_in_the_table_predicted_and_measured():
    start, best, _, guess = view().table.rows
    assert start[:4] == ("threads as declared", "4", "1.00x", "1.00x")
    assert best[2:4] == ("1.90x", "1.80x")
    assert guess[0] == "processes with a pool of 2"
    assert guess[2:4] == ("1.20x", "\u2013")


def test_a_setting_that_is_good_already_is_said_to_be():
    start = documents.tuned()["tunings"][0]["start"]
    assert view(best=start, ties=[]).lead == (
        "Tuned over 31 settings: keep the setting as declared."
    )


def test_page_and_terminal_show_the_search():
    document = documents.studies()
    text = pages.body_text(pages.parse(html.render(document)))
    assert "best is threads with workers parse 2" in text
    assert "Everything tried" in text
    assert any("Tuned over 31 settings" in line for line, _ in summary_lines(document, width=140))
