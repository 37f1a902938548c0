"""The modules beside this one are imported by their names; at the end, what the model has seen is printed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def pytest_terminal_summary(terminalreporter):
    import machine

    if machine.Pair.steps:
        terminalreporter.section("model")
        terminalreporter.write_line(machine.report())
