"""Find tasks by id, by name, or by a pattern of names."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from ._book import Book
from ._text import clipped

SHOWN = 10


class NotFound(LookupError):
    """No task, or more than one, has that name; the text says what to do."""


def find(words: list[str | int], books: list[Book]) -> dict[Book, list[Any]]:
    """The living tasks that these words name, each once, by their loops.

    A number, or a text of digits, is an id; another text is a name, and where no task has it, a pattern with `*`, `?`
    and `[...]`. Raises: `NotFound` for a word that names none, and for a name that several tasks have.
    """
    everyone = [(number, task.get_name(), book, task) for book in books for number, task in book.living()]
    by_number = {number: (book, task) for number, _, book, task in everyone}
    by_name: dict[str, list[int]] = {}
    for number, name, _, _ in everyone:
        by_name.setdefault(name, []).append(number)
    found: dict[Book, dict[Any, None]] = {}
    for word in words:
        for number in _numbers(word, by_number, by_name):
            book, task = by_number[number]
            found.setdefault(book, {})[task] = None
    return {book: list(tasks) for book, tasks in found.items()}


def _numbers(word: str | int, by_number: dict[int, Any], by_name: dict[str, list[int]]) -> list[int]:
    text = str(word)[:LONGEST]
    named = by_name.get(text, [])
    if isinstance(word, int) or (text.isdecimal() and not named):
        number = int(text) if text.isdecimal() else -1
        if number in by_number:
            return [number]
        raise NotFound(f"there is no task {clipped(text, 50)} (any more); `sigtask ps` shows which there are")
    if len(named) > 1:
        some = ", ".join(map(str, sorted(named)[:SHOWN])) + (", ..." if len(named) > SHOWN else "")
        raise NotFound(f"{len(named)} tasks are called {text!r}: {some}; name one by its id, or all as {text[:-1]}*")
    if not named and any(char in text for char in "*?["):
        named = [number for name, numbers in by_name.items() if fnmatchcase(name, text) for number in numbers]
    if not named:
        raise NotFound(f"no task is called {text!r}; `sigtask ps` shows which there are")
    return named


LONGEST = 500
