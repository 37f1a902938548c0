"""An exploration as one HTML page: awaits down, signals across."""
from __future__ import annotations
from .exploration import Exploration
def page(exploration: Exploration) -> str:
    """The page."""
    return ""
