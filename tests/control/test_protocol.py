"""The lines of the control socket: what a request may be, and what is shown of what others have named."""

import json
import random

import pytest

from sigtask import Kill, Terminate
from sigtask.control._protocol import BadRequest, parse
from sigtask.control._text import clipped, duration, said, shown, stop_lines


def request(**fields):
    return json.dumps({"v": 1, **fields}).encode()


def test_a_request_has_all_its_fields():
    assert parse(request(do="ps")) == {"do": "ps", "fresh": True, "stacks": False, "only": None}
    found = parse(request(do="send", signal="terminate", tasks=[3, "worker-1"], reason="why", tree=True))
    assert found == {"do": "send", "signal": Terminate, "tasks": [3, "worker-1"], "reason": "why", "tree": True}
    assert str(parse(request(do="stop", tasks=[1], ladder="terminate=2s,kill"))["ladder"]) == "terminate=2s,kill=1s"


WRONG = {
    b"": "not JSON",
    b"{": "not JSON",
    b"\xff": "not UTF-8",
    b"[]": "an array",
    b'"ps"': "a string",
    b"null": "null",
    b"1": "a number",
    b'{"do":"ps"}': "version 1",
    b'{"v":2,"do":"ps"}': "version 1",
    b'{"v":true,"do":"ps"}': "version 1",
    b'{"v":1.0,"do":"ps"}': "version 1",
    b'{"v":1}': "do is one of",
    b'{"v":1,"do":["ps"]}': "do is one of",
    b'{"v":1,"do":"ps","stacks":1}': "true or false",
    b'{"v":1,"do":"ps","only":[true]}': "array",
    b'{"v":1,"do":"ps","only":{}}': "array",
    b'{"v":1,"do":"ps","more":1}': "has no 'more'",
    b'{"v":1,"do":"send"}': "signal is a name",
    b'{"v":1,"do":"send","signal":"terminate"}': "tasks is an array",
    b'{"v":1,"do":"send","signal":"terminate","tasks":[]}': "tasks is an array",
    b'{"v":1,"do":"send","signal":"terminate","tasks":[null]}': "by its id or its name",
    b'{"v":1,"do":"send","signal":"terminate","tasks":[1.5]}': "by its id or its name",
    b'{"v":1,"do":"send","signal":"hang","tasks":[1]}': "no signal 'hang'",
    b'{"v":1,"do":"send","signal":"kill","tasks":[1],"reason":5}': "reason is a text",
    b'{"v":1,"do":"stop","tasks":[1],"ladder":"kill=1s,drain=1s"}': "does not rise",
    b'{"v":1,"do":"ps","stacks":NaN}': "no number of JSON",
    b'{"v":1,"do":"ps","only":[' + b"9" * 5000 + b"]}": "not JSON",
    b"[" * 60_000: "nested too deeply|not JSON",  # newer readers need no stack
}


@pytest.mark.parametrize("line", WRONG, ids=lambda line: line[:40].decode("latin-1"))
def test_a_bad_line_is_told_what_is_wrong_with_it(line):
    with pytest.raises(BadRequest, match=WRONG[line]):
        parse(line)


def test_a_request_imports_nothing():
    with pytest.raises(BadRequest, match="has loaded no module 'antigravity'"):
        parse(request(do="send", signal="antigravity:X", tasks=[1]))
    with pytest.raises(BadRequest, match="has loaded no module"):
        parse(request(do="stop", ladder="antigravity:X=1s,kill", tasks=[1]))


def test_a_class_that_the_program_has_loaded_may_be_named():
    assert parse(request(do="send", signal="sigtask:Kill", tasks=[1]))["signal"] is Kill


def fuzzed(rng):
    """A line that is nearly a request, or nothing like it."""
    whole = [
        {"v": 1, "do": "ps", "fresh": True, "only": [1, 2]},
        {"v": 1, "do": "send", "signal": "drain", "tasks": ["a", 1], "reason": "\u202e\x1b[2J", "tree": False},
        {"v": 1, "do": "stop", "tasks": ["x*"], "ladder": "drain=1s,kill"},
    ]
    values = [None, True, -1, 10**30, 1e308, "", "\ud800", "x" * 500, [], {}, [[[]]], {"a": {"b": [1]}}, ["a"] * 30]
    said = dict(rng.choice(whole))
    for _ in range(rng.randrange(3)):
        said[rng.choice([*said, "new"])] = rng.choice(values)
    line = bytearray(json.dumps(said).encode())
    for _ in range(rng.choice([0, 0, 1, 4])):
        line[rng.randrange(len(line))] = rng.randrange(256)
    return bytes(line[: rng.randrange(len(line) + 1)] if rng.random() < 0.3 else line).replace(b"\n", b" ")


def test_100_000_fuzzed_lines_are_read_or_refused_and_nothing_else():
    rng = random.Random(14)
    refused = 0
    for _ in range(100_000):
        try:
            assert isinstance(parse(fuzzed(rng)), dict)
        except BadRequest as error:
            refused += 1
            assert 0 < len(str(error)) < 1000
    assert 20_000 < refused < 99_000


# -- what is shown ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("char", ["\x1b", "\x07", "\r", "\n", "\x9b", "\u202e", "\u2066", "\ud800", "\x00", "\u2028"])
def test_what_a_terminal_would_obey_is_written_out(char):
    text = shown(f"a{char}[2Jb")
    assert text.isprintable() and text.startswith("a\\") and text.endswith("[2Jb")


def test_letters_of_all_languages_stay_as_they_are():
    assert shown("größe 作業 café <b>&amp;</b>") == "größe 作業 café <b>&amp;</b>"


def test_a_reason_whose_str_fails_is_named_by_its_class():
    class Odd:
        def __str__(self):
            raise ZeroDivisionError

    assert said(Odd()) == "<Odd, whose str() raises ZeroDivisionError>"
    assert said(ValueError("no")) == "ValueError: no"


def test_long_texts_are_cut():
    assert clipped("x" * 10**6, 10) == "xxxxxxxxx…"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"),
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.99, "9 s"),
        (75, "1 min 15 s"),
        (7260, "2 h 1 min"),
        (1e6, "11 d 13 h"),
    ],
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text


def test_the_lines_of_a_stop_say_what_comes_next():
    head, below = stop_lines("SIGTERM", "drain", 4.2, "terminate", 2, "worker at app.py:3 in f")
    assert head == "SIGTERM  drain   4.2 s, then terminate  (2 tasks left)"
    assert below == "waiting for worker at app.py:3 in f"
    assert "then the process is ended" in stop_lines("SIGTERM", None, 0, None, 1, "x")[0]
