"""The directive `command`: what `sigtask NAME --help` says, so that options are written down once, in the command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from docutils import nodes
from docutils.parsers.rst import Directive

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class Command(Directive):
    """The help of one command."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A block with the text."""
        from sigtask.cli._command import sigtask

        name = self.arguments[0]
        parent = click.Context(sigtask, info_name="sigtask", terminal_width=96, max_content_width=96)
        command = sigtask.get_command(parent, name)
        if command is None:
            raise self.error(f"sigtask has no command {name!r}")
        with click.Context(command, parent=parent, info_name=name, terminal_width=96, max_content_width=96) as context:
            text = command.get_help(context)
        block = nodes.literal_block(text, text, classes=["help"])
        block["language"] = "text"
        return [block]


def setup(app: Sphinx) -> dict[str, Any]:
    """For Sphinx."""
    app.add_directive("command", Command)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
