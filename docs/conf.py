"""The site: Sphinx, MyST and Furo. `make docs` builds it into build/docs; a warning is an error."""

from __future__ import annotations

import os
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / "_ext"), str(ROOT / "src")]
os.environ["SIGTASK_PURE"] = "1"  # functions in C have no signature; their docstrings are the same

import inventory  # noqa: E402

import sigtask  # noqa: E402

project = "sigtask"
author = "the sigtask authors"
copyright = "the sigtask authors"  # noqa: A001
release = version = sigtask.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx"]
extensions += ["sphinx_copybutton", "docstrings", "commands", "blocks", "one_page"]  # the last four are ours, in _ext
exclude_patterns = ["_ext", "_static", "img"]
nitpicky = True
needs_sphinx = "8.0"

# Pages are Markdown.
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist", "attrs_inline"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

# The reference is made from the docstrings. What other libraries bring is not needed for that.
autodoc_mock_imports = ["aiohttp", "dask", "distributed", "fastapi", "grpc", "opentelemetry", "starlette"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"App": "App", "Connected": "Connected", "Futures": "Futures"}
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
python_display_short_literal_types = True
add_module_names = False
toc_object_entries_show_parents = "hide"

# Python's own docs, from names that are kept here: the build needs no network.
intersphinx_mapping = {"python": ("https://docs.python.org/3", inventory.written(ROOT / "build" / "python.inv"))}

nitpick_ignore_regex = [
    ("py:.*", r"(.*\.)?_[A-Z].*"),  # type variables
    ("py:.*", r".*\b(App|Connected|Futures|Observer|OnDisconnect|SignalMap|Stream|Strike|T|P)$"),  # aliases
    ("py:.*", r"(distributed|grpc|web|opentelemetry|aiohttp)\..*"),
    ("py:.*", r"Client|Future|MeterProvider|TracerProvider|(.*\.)?Limiter|~?web\.Application"),
]

html_theme = "furo"
html_title = "sigtask"
html_static_path = ["_static"]
html_logo = html_favicon = "_static/logo.svg"
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b6e6e", "color-brand-content": "#0b6e6e"},
    "dark_css_variables": {"color-brand-primary": "#5fd1c9", "color-brand-content": "#5fd1c9"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"
