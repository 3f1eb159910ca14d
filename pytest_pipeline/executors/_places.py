"""Where something went wrong, in words. Worker processes import this: it must stay free of numpy."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_pipeline.errors import add_note, notes_of


def note_place(error: BaseException, stage: str, item: int | None, items_each: int = 1) -> None:
    """Add the note that names stage and item, once; where batches travel, unless a step was more exact."""
    notes = notes_of(error)
    if items_each > 1 and any(note.startswith(f"stage {stage!r}, item") for note in notes):
        return
    note = f"stage {stage!r}, {named(item, items_each)}"
    if note not in notes:
        add_note(error, note)


def note_items(error: BaseException, stage: str, items: Sequence[int]) -> None:
    """Add the note that names stage and the items of one call, once."""
    span = f"items {items[0]} to {items[-1]}" if len(items) > 1 else f"item {items[0]}"
    note = f"stage {stage!r}, {span}"
    if note not in notes_of(error):
        add_note(error, note)


def named(item: int | None, items_each: int) -> str:
    """Return the words for one of what an executor numbers, by the source's own indices."""
    if items_each == 1 or item is None:
        return f"item {item}"
    return f"items {item * items_each} to {(item + 1) * items_each - 1}"
