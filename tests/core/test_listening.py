"""R26: whether anybody in a process could hear a Drain, by what its code has got hold of."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.os


def could_be_heard(code, tmp_path, **modules):
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
    ask = "\nfrom sigtask._core.listening import could_be_heard\nprint(could_be_heard())\n"
    (tmp_path / "program.py").write_text(textwrap.dedent(code) + ask)
    done = subprocess.run(
        [sys.executable, "-W", "error", tmp_path / "program.py"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return {"True": True, "False": False}[done.stdout.split()[-1]]


NOBODY = [
    "import sigtask",
    "from sigtask import run, stop, Terminate, Interrupt, mask, Ladder",
    "from sigtask import catch, Interrupt",
    "from sigtask import Drain, Ladder",
    "import sigtask\nsigtask.Ladder.parse('drain=1s,kill')",
    "import sigtask\ndef f():\n    sigtask.run(None, ladder=sigtask.Ladder((sigtask.Drain, 1)))",
    "import sigtask\ndef f():\n    with sigtask.mask(): pass",
    "import socket, sigtask\ndef f(s):\n    return s.listen()",
    "from sigtask.processes import run_process",
    "import sigtask.testing.zoo",
]
SOMEBODY = [
    "from sigtask import requested",
    "import sigtask\nsigtask.wait_requested",
    "from sigtask import catch, Drain",
    "from sigtask import until\nimport sigtask\nsigtask.Drain",
    "from sigtask import accept, Signal",
    "import sigtask\nasync def worker():\n    if sigtask.requested(sigtask.Drain): return",
    "import sigtask as st\nclass Worker:\n    async def work(self):\n        with st.catch(st.Drain): pass",
    "import sigtask\nclass Worker:\n    @staticmethod\n    def work():\n        return lambda: sigtask.requested()",
    "import sigtask, functools\n@functools.lru_cache\ndef f():\n    return sigtask.requested()",
    "from sigtask import *",
    "import sigtask\ndef logged(fn):\n    return lambda: fn()\n@logged\ndef f():\n    return sigtask.requested()",
    "import sigtask\nHANDLERS = {'a': [lambda: sigtask.requested()]}",
    "import sigtask, functools\nf = functools.partial(lambda n: sigtask.requested(), 1)",
]


@pytest.mark.parametrize("code", NOBODY)
def test_r26_nobody_could_hear_a_drain(code, tmp_path):
    assert could_be_heard(code, tmp_path) is False


@pytest.mark.parametrize("code", SOMEBODY)
def test_r26_somebody_could_hear_a_drain(code, tmp_path):
    assert could_be_heard(code, tmp_path) is True


def test_r26_code_of_a_module_that_is_imported_counts(tmp_path):
    helper = "import sigtask\ndef asks():\n    return sigtask.requested(sigtask.Drain)"
    assert could_be_heard("import helper", tmp_path, helper=helper) is True
    assert could_be_heard("import other", tmp_path, other="import sigtask") is False


BY_VALUE = """
    from functools import partial
    from sigtask._core.listening import look_through
    names = {"__name__": "elsewhere"}
    exec(%r, names)
    look_through(%s)
"""
ASKS = "def f():\n    return sigtask.requested(sigtask.Drain)\n"
FROM_ELSEWHERE = {
    "a function": ("import sigtask\n" + ASKS, "names['f']"),
    "a partial of one": ("import sigtask\n" + ASKS, "partial(names['f'], 1)"),
    "what it names": (f"import sigtask\n{ASKS}def g(): f()", "names['g']"),
    "what is around it": (
        f"import sigtask\ndef around():\n    {ASKS.replace(chr(10), chr(10) + '    ')}\n    return lambda: f()",
        "names['around']()",
    ),
    "an object that can be called": (f"import sigtask\n{ASKS}class C:\n    def __call__(self): f()", "names['C']()"),
    "a method": ("import sigtask\nclass C:\n    def f(self): sigtask.requested()", "names['C']().f"),
    "one beside an array, which gives no yes or no": (
        "class Array:\n    def __eq__(self, other): raise ValueError\na = Array()\nimport sigtask\n" + ASKS,
        "names['f']",
    ),
    "one that imports for itself": ("def f():\n    import sigtask\n    sigtask.requested()", "names['f']"),
}


@pytest.mark.parametrize("what", FROM_ELSEWHERE)
def test_r26_code_that_came_by_value_and_is_looked_through_counts(what, tmp_path):
    assert could_be_heard(BY_VALUE % FROM_ELSEWHERE[what], tmp_path) is True


@pytest.mark.parametrize("fn", ["names['f']", "len", "None"])
def test_r26_code_that_came_by_value_and_could_hear_nothing_does_not_count(fn, tmp_path):
    assert could_be_heard(BY_VALUE % ("import sigtask\ndef f(): sigtask.checkpoint()", fn), tmp_path) is False


def test_r26_the_look_through_modules_keeps_no_class_of_theirs(tmp_path):
    code = """
    import gc, sys, weakref
    import sigtask
    import program_classes

    kept = weakref.ref(program_classes.Thing)

    from sigtask._core.listening import could_be_heard
    could_be_heard()
    del sys.modules["program_classes"], program_classes
    gc.collect()
    assert kept() is None
    """
    assert could_be_heard(code, tmp_path, program_classes="import sigtask\nclass Thing: pass\nthing = Thing()") is False


def test_r26_the_look_through_modules_runs_no_code_of_theirs(tmp_path):
    proxy = """
    import sigtask

    class Proxy:
        def __getattribute__(self, name):
            raise RuntimeError("outside of a request")

        __dict__ = property(__getattribute__)

    request = Proxy()
    """
    assert could_be_heard("import sigtask, proxies", tmp_path, proxies=proxy) is False
