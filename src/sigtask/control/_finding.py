"""Find tasks by id, by name, or by a pattern of names.

All tasks are looked at, and only those that match are kept: many new objects would make the garbage collector walk all
there are, and hold up the loops meanwhile.
"""

from __future__ import annotations

import fnmatch
import glob
import re
from collections.abc import Iterator
from typing import Any

from ._book import Book
from ._text import clipped

SHOWN = 10
LONGEST = 500
"""Characters of a pattern."""


class NotFound(LookupError):
    """No task, or more than one, has that name; the text says what to do."""


class _Named:
    """The tasks of one name: the first of them, how many, and some of their numbers."""

    def __init__(self) -> None:
        self.first: tuple[Book, Any] | None = None
        self.count = 0
        self.numbers: list[int] = []

    def add(self, number: int, book: Book, task: Any) -> None:
        """One more."""
        self.first = self.first or (book, task)
        self.count += 1
        if self.count <= SHOWN:
            self.numbers.append(number)


def find(words: list[str | int], books: list[Book]) -> dict[Book, list[Any]]:
    """The living tasks that these words name, each once, by their loops.

    A number, or a text of digits, is an id; another text is a name, and where no task has it, a pattern with `*`, `?`
    and `[...]`. Raises: `NotFound` for a word that names none, and for a name that several tasks have.
    """
    by_number: dict[int, tuple[Book, Any] | None] = {_number(word): None for word in words}
    by_name = {word: _Named() for word in words if isinstance(word, str)}
    for number, book, task in _everyone(books):
        if number in by_number:
            by_number[number] = (book, task)
        if (named := by_name.get(task.get_name())) is not None:
            named.add(number, book, task)
    found: dict[Book, dict[Any, None]] = {}
    for word in words:
        named = by_name[word] if isinstance(word, str) else _Named()
        for book, task in _meant(str(word), by_number.get(_number(word)), named, books):
            found.setdefault(book, {})[task] = None
    return {book: list(tasks) for book, tasks in found.items()}


def _number(word: str | int) -> int:
    """The id that it may be; -1, which no task has, for what is none."""
    text = str(word)
    return int(text) if text.isdecimal() and len(text) < 20 else -1


def _everyone(books: list[Book]) -> Iterator[tuple[int, Book, Any]]:
    return ((number, book, task) for book in books for number, task in book.living())


def _meant(
    text: str, numbered: tuple[Book, Any] | None, named: _Named, books: list[Book]
) -> Iterator[tuple[Book, Any]]:
    if named.count > 1:
        some = ", ".join(map(str, sorted(named.numbers))) + (", ..." if named.count > SHOWN else "")
        called = f"{named.count} tasks are called {clipped(text)!r}"
        raise NotFound(f"{called}: {some}; name one by its id{_or_all(text)}")
    if named.first is not None:
        yield named.first
    elif text.isdecimal():
        if numbered is None:
            raise NotFound(f"there is no task {clipped(text, 50)} (any more); `sigtask ps PID` shows which there are")
        yield numbered
    else:
        is_pattern = len(text) <= LONGEST and any(char in text for char in "*?[")
        fits = re.compile(fnmatch.translate(text)).match if is_pattern else None
        is_there = False
        for _, book, task in _everyone(books) if fits is not None else ():
            if fits is not None and fits(task.get_name()):
                is_there = True
                yield book, task
        if not is_there:
            raise NotFound(f"no task is called {clipped(text)!r}; `sigtask ps PID` shows which there are")


def _or_all(name: str) -> str:
    """A pattern that this name fits, and no other: a character in brackets stands for itself."""
    at = next((at for at, char in enumerate(name) if char.isalnum()), None)
    pattern = glob.escape(name)
    if pattern == name:
        if at is None:
            return ""
        pattern = f"{name[:at]}[{name[at]}]{name[at + 1 :]}"
    return f", or all of them as {clipped(pattern)!r}"
