"""The drivers of `make compat` say what they found: here they are told what the runs gave, and run nothing."""

from __future__ import annotations

import asyncio_suite
import pytest

pytest.importorskip("fcntl")

import library_suite  # noqa: E402

LIBRARY = library_suite.LIBRARIES[-1]


def ends(made=1, **outcomes):
    """What a run gave: `t_a="passed"` is the outcome of test_timeouts.T.t_a."""
    names = {f"test.test_asyncio.test_timeouts.T.{name}": end for name, end in outcomes.items()}
    return {"outcomes": names, "details": dict.fromkeys(names, "why it failed"), "made": made}


@pytest.fixture(autouse=True)
def every_module_is_here(monkeypatch):
    monkeypatch.setattr(asyncio_suite, "is_here", lambda _: True)


@pytest.fixture(params=["asyncio", "library"])
def compare(request, monkeypatch):
    """A function that has a driver compare what it is given; gives the exit status."""

    def asyncio_driver(stock, ours, *_):
        monkeypatch.setattr(asyncio_suite, "outcomes", lambda mode, _: stock if mode == "stock" else ours)
        return asyncio_suite.main(["test_timeouts"])

    def library_driver(stock, ours, *again):
        results = [(stock, ours), *(again or [(stock, ours)])]

        class Suite:
            title = "library-1.0"

            def __init__(self, *_):
                pass

            def run(self, *_):
                stock, ours = results.pop(0)
                return library_suite.Outcomes(**stock), library_suite.Outcomes(**ours)

            def printed(self, mode):
                return ""

        monkeypatch.setattr(library_suite, "Suite", Suite)
        return library_suite.main([LIBRARY.name])

    return asyncio_driver if request.param == "asyncio" else library_driver


def test_what_passes_on_both_is_no_failure(compare, capsys):
    assert compare(ends(a="passed", b="skipped"), ends(7, a="passed", b="skipped")) == 0
    closing = capsys.readouterr().out.splitlines()[-1]
    assert "1 tests" in closing and "7 tasks of ours, 0 new failures" in closing


def test_what_fails_on_ours_alone_is_a_new_failure(compare, capsys):
    assert compare(ends(a="passed"), ends(a="failed")) == 1
    out = capsys.readouterr().out
    assert "1 new failures" in out.splitlines()[-1] and "why it failed" in out


@pytest.mark.parametrize("ours", [{}, {"a": "skipped"}], ids=["missing", "skipped"])
def test_what_does_not_run_on_ours_is_a_new_failure(compare, ours):
    assert compare(ends(a="passed", b="passed"), ends(b="passed", **ours)) == 1


def test_what_fails_on_stock_tasks_too_is_not_compared_and_said(compare, capsys):
    assert compare(ends(a="passed", b="failed"), ends(a="passed", b="failed")) == 0
    assert "1 fail on stock tasks here" in capsys.readouterr().out


def test_a_run_without_our_tasks_fails(compare, capsys):
    assert compare(ends(0, a="passed"), ends(0, a="passed")) == 1
    assert "our Task was not used" in capsys.readouterr().out


@pytest.mark.parametrize("compare", ["library"], indirect=True)
class TestLibraries:
    def test_what_fails_on_ours_in_the_full_run_alone_is_said_and_no_new_failure(self, compare, capsys):
        passes = ends(a="passed")
        assert compare(passes, ends(a="failed"), (passes, passes)) == 0
        assert "failed on ours in the full run" in capsys.readouterr().out

    def test_what_cannot_be_run_again_by_itself_is_a_new_failure(self, compare):
        assert compare(ends(a="passed"), ends(a="failed"), (ends(), ends())) == 1

    def test_tests_that_cannot_be_run_at_all_are_said_and_a_failure(self, compare, capsys):
        assert compare(ends(a="failed"), ends(a="failed")) == 1
        out = capsys.readouterr().out
        assert "no test of library-1.0 passes here on stock tasks" in out and "1 NOT COMPARED" in out.splitlines()[-1]


def test_what_is_left_out_is_not_compared_and_said(monkeypatch, capsys):
    left_out = {f"test.test_asyncio.{name}test_a": "failed" for name in asyncio_suite.LEFT_OUT}
    ours = {"outcomes": {"other": "passed", **left_out}, "details": {}, "made": 1}
    stock = {"outcomes": dict.fromkeys(ours["outcomes"], "passed"), "details": {}, "made": 0}
    monkeypatch.setattr(asyncio_suite, "outcomes", lambda mode, _: {"stock": stock, "sigtask": ours}[mode])
    assert asyncio_suite.main(["test_timeouts"]) == 0
    out = capsys.readouterr().out
    assert "1 tests run" in out.splitlines()[-1]
    assert all(f"left out: 1 of {name}*: {reason}" in out for name, reason in asyncio_suite.LEFT_OUT.items())


def test_a_python_without_its_tests_is_said_to_be_skipped(monkeypatch, capsys):
    monkeypatch.setattr(asyncio_suite, "is_here", lambda _: False)
    assert asyncio_suite.main([]) == 0
    assert "comes without test.test_asyncio; NOT RUN" in capsys.readouterr().out


def test_at_most_five_of_asyncios_tests_are_exempt_each_with_its_reason(monkeypatch, capsys):
    assert len(asyncio_suite.EXEMPT) <= 5
    for name, reason in asyncio_suite.EXEMPT.items():
        full = {f"test.test_asyncio.{name}": "passed", "other": "passed"}
        stock = {"outcomes": full, "details": {}, "made": 0}
        ours = {"outcomes": full | {f"test.test_asyncio.{name}": "failed"}, "details": {}, "made": 1}
        monkeypatch.setattr(asyncio_suite, "outcomes", lambda mode, _: {"stock": stock, "sigtask": ours}[mode])  # noqa: B023
        assert asyncio_suite.main(["test_timeouts"]) == 0
        out = capsys.readouterr().out
        assert f"exempt: {name}: {reason}" in out and "1 exempt" in out.splitlines()[-1]
