"""An exploration as one HTML page: awaits down, signals across, green and red, with failures unfolded below."""

from __future__ import annotations

from html import escape

from .exploration import Exploration, Failure

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1b1f24;
  background: #fff }
table { border-collapse: collapse } th, td { border: 1px solid #d0d7de; padding: .25rem .6rem; text-align: left }
code { font-family: ui-monospace, monospace; font-size: 90% } td.cell { text-align: center }
.passed { background: #d2f4d8 } .failed { background: #ffd7d5 } .failed a { color: inherit; font-weight: 600 }
details { border-left: 4px solid #cf222e; margin: .8rem 0; padding-left: .8rem } small { color: #59636e }
@media (prefers-color-scheme: dark) { body { background: #0d1117; color: #e6edf3 } th, td { border-color: #3d444d }
  .passed { background: #12361f } .failed { background: #5c1a1b } small { color: #9198a1 } }
"""


def page(exploration: Exploration) -> str:
    """The page, complete: it loads nothing."""
    title = escape(f"explore: {exploration.name}")
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>",
        f"<p>{exploration.runs} runs, {len(exploration.failures)} failed</p>",
        _list("Notes", exploration.notes),
        _matrix(exploration),
        *(_unfolded(number, one) for number, one in enumerate(exploration.failures)),
        _list("Never suspended, so nothing was tried there", exploration.untried),
        "</body></html>",
    ]
    return "\n".join(filter(None, parts)) + "\n"


def _list(title: str, lines: tuple[str, ...]) -> str:
    if not lines:
        return ""
    return f"<h2>{title}</h2><ul>{''.join(f'<li><code>{escape(line)}</code></li>' for line in lines)}</ul>"


def _matrix(exploration: Exploration) -> str:
    """Awaits down, signals across. A cell with a failure leads to it; `+` marks a second signal that was needed."""
    failed: dict[tuple[str, int, int], list[tuple[int, Failure]]] = {}
    for number, one in enumerate(exploration.failures):
        failed.setdefault((one.signal, one.at[0], one.at[1]), []).append((number, one))
    passed = {(signal, task, point) for signal, task, point, ok in exploration.results if ok}
    head = "".join(f"<th>{escape(signal)}</th>" for signal in exploration.signals)
    rows = []
    for point in exploration.points:
        cells = []
        for signal in exploration.signals:
            at = (signal, point.task, point.number)
            cells.append(_cell(failed.get(at, []), at in passed))
        own = "" if point.own is None else f"<br><small>awaited at {escape(point.own)}</small>"
        rows.append(
            f"<tr><td>t{point.task}.p{point.number}</td><td><code>{escape(point.source)}</code><br>"
            f"<small>{escape(point.where)}</small>{own}</td>{''.join(cells)}</tr>"
        )
    return f"<table><thead><tr><th>await</th><th>where</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(failures: list[tuple[int, Failure]], passed: bool) -> str:
    if failures:
        links = (f'<a href="#f{n}">{_label(one)}</a>'
                 for n, one in failures)  # fmt: skip
        return f'<td class="cell failed">{" ".join(links)}</td>'
    return '<td class="cell passed">passed</td>' if passed else '<td class="cell">not tried</td>'


def _label(failure: Failure) -> str:
    if failure.second is not None:
        return f"+{escape(failure.second)}"
    return "late" if failure.late else "failed"


def _unfolded(number: int, failure: Failure) -> str:
    head, *rest = str(failure).splitlines()
    more = "\n".join(rest) + (f"\n\n{failure.detail}" if failure.detail else "")
    return f'<details open id="f{number}"><summary>{escape(head)}</summary><pre>{escape(more)}</pre></details>'
