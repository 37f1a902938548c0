"""Plots as SVG, by hand: bars of ratios, and lines over the number of tasks.

Each has a light background of its own, so that it reads the same on a light page and a dark one, and says in words
what is on its axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

WIDTH = 860
INK, PALE, GRID, PAPER = "#1f2933", "#52606d", "#d9dee4", "#fbfbfa"
HALO = f' paint-order="stroke" stroke="{PAPER}" stroke-width="4"'
"""Words keep clear of the lines behind them."""
COLOURS = {
    "stock": "#7b8794",
    "sigtask": "#c2410c",
    "pure": "#f0a070",
    "pytask": "#5b8c5a",
    "asynkit": "#8a6d3b",
    "anyio": "#2b6cb0",
    "trio": "#6b46c1",
    "quattro": "#0f8b8d",
    "aiotools": "#b83280",
}


def _text(
    x: float, y: float, words: str, *, size: int = 13, colour: str = INK, at: str = "start", more: str = ""
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{at}"{more}>'
        f"{escape(words)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = GRID, width: float = 1, more: str = "") -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"{more}/>'
    )


def _page(title: str, subtitle: str, height: float, parts: Sequence[str]) -> str:
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
                f'width="{WIDTH}" height="{height:.0f}" font-family="system-ui, sans-serif" role="img">'
            ),
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height:.0f}" rx="8" fill="{PAPER}"/>',
            _text(24, 34, title, size=18, more=' font-weight="600"'),
            _text(24, 55, subtitle, colour=PALE),
            *parts,
            "</svg>",
            "",
        ]
    )


def bars(title: str, subtitle: str, groups: Sequence[tuple[str, Sequence[tuple[str, str, float]]]], most: float) -> str:
    """Groups of bars from 0 to `most`; longer ones are cut, and say so. Each bar: kind, its name, the ratio.

    A line stands at 1, which is stock asyncio.
    """
    left, right, bar, gap = 250, 185, 17, 20
    scale = (WIDTH - left - right) / most
    y, parts, labels = 84.0, list[str](), list[str]()
    height = y + sum(len(bars) * bar + gap for _, bars in groups) + 34
    for tick in _ticks(most):
        x = left + tick * scale
        parts.append(_line(x, y - 6, x, height - 42))
        parts.append(_text(x, height - 24, f"{tick:g}", size=12, colour=PALE, at="middle"))
    for name, members in groups:
        parts.append(_text(24, y + len(members) * bar / 2 + 5, name))
        for kind, who, ratio in members:
            width = min(ratio, most) * scale
            parts.append(
                f'<rect x="{left}" y="{y + 2:.1f}" width="{width:.1f}" height="{bar - 4}" fill="{COLOURS[kind]}"/>'
            )
            said = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
            if ratio > most:  # a bite out of the bar's end says that it goes on
                parts.append(_line(left + width - 12, y + bar, left + width - 6, y, PAPER, 3))
            labels.append(_text(left + width + 5, y + bar - 4, f"{said}  {who}", size=11, more=HALO))
            y += bar
        y += gap
    x = left + scale
    parts.append(_line(x, 78, x, height - 42, INK, 1.4, ' stroke-dasharray="4 3"'))
    parts += labels
    parts.append(
        _text(
            left,
            height - 8,
            "times what stock asyncio takes (dashed line: the same); less is better",
            size=12,
            colour=PALE,
        )
    )
    return _page(title, subtitle, height, parts)


def _ticks(most: float) -> list[float]:
    step = next(step for step in (0.25, 0.5, 1, 2, 5, 10) if most / step <= 9)
    return [i * step for i in range(int(most / step) + 1)]


def lines(
    title: str, subtitle: str, series: Sequence[tuple[str, str, Sequence[tuple[float, float]]]], axes: tuple[str, str]
) -> str:
    """Lines over a logarithmic axis of counts; the other axis is logarithmic as well. Each line is named at its end."""
    left, right, top, bottom, height = 80, 190, 84, 470, 530.0
    xs = [x for _, _, points in series for x, _ in points]
    ys = [y for _, _, points in series for _, y in points]
    x0, x1 = math.log10(min(xs)), max(math.log10(max(xs)), math.log10(min(xs)) + 1)
    y0, y1 = math.log10(min(ys)) - 0.05, math.log10(max(ys)) + 0.05

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            left + (math.log10(x) - x0) / (x1 - x0) * (WIDTH - left - right),
            bottom - (math.log10(y) - y0) / (y1 - y0) * (bottom - top),
        )

    parts = _net((x0, x1, y0, y1), at, (left, WIDTH - right, top, bottom))
    ends: list[tuple[float, str, str]] = []
    for kind, who, points in series:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in points))
        width = 3 if kind == "sigtask" else 1.8
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[kind]}" stroke-width="{width}"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[kind]}"/>' for x, y in (at(*p) for p in points)
        ]
        ends.append((at(*points[-1])[1], kind, who))
    parts += _labels(sorted(ends), WIDTH - right + 12)
    parts.append(_text((left + WIDTH - right) / 2, bottom + 42, axes[0], size=12, colour=PALE, at="middle"))
    turned = f' transform="rotate(-90 22 {(top + bottom) / 2:.0f})"'
    parts.append(_text(22, (top + bottom) / 2, axes[1], size=12, colour=PALE, at="middle", more=turned))
    return _page(title, subtitle, height, parts)


def _net(
    spans: tuple[float, float, float, float],
    at: Callable[[float, float], tuple[float, float]],
    frame: tuple[float, float, float, float],
) -> list[str]:
    """The lines behind, at powers of ten across and at 1, 2, 5 up, with their numbers."""
    (x0, x1, y0, y1), (left, right, top, bottom), parts = spans, frame, list[str]()
    for exponent in range(math.ceil(x0 - 1e-9), math.floor(x1 + 1e-9) + 1):
        x, _ = at(10**exponent, 10**y0)
        parts += [
            _line(x, top, x, bottom),
            _text(x, bottom + 20, f"{10**exponent:,}", size=12, colour=PALE, at="middle"),
        ]
    for value in [m * 10**e for e in range(math.floor(y0), math.ceil(y1) + 1) for m in (1, 2, 5)]:
        if y0 <= math.log10(value) <= y1:
            _, y = at(10**x0, value)
            parts += [
                _line(left, y, right, y),
                _text(left - 8, y + 4, f"{value:g}", size=12, colour=PALE, at="end"),
            ]
    return parts


def _labels(ends: Sequence[tuple[float, str, str]], x: float) -> list[str]:
    """The names at the lines' ends, none upon another."""
    parts, lowest = list[str](), 0.0
    for y, kind, who in ends:
        lowest = max(y, lowest + 17)
        parts.append(_text(x, lowest + 4, who, colour=COLOURS[kind], more=' font-weight="600"'))
    return parts
