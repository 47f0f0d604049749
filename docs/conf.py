"""The documentation as a site: `make docs`. Its pages are the Markdown files beside this one."""

import re

import cotdistill

project = "cotdistill"
author = "The cotdistill authors"
copyright = author
release = version = cotdistill.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
default_role = "code"  # docstrings write `names` as Markdown does
napoleon_google_docstring = True
napoleon_custom_sections = [("Arguments", "params_style")]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 100
suppress_warnings = ["myst.xref_missing.external"]

html_theme = "furo"  # system fonts, nothing from another host
html_title = "cotdistill"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"}}


def setup(app):  # type: ignore[no-untyped-def]
    app.connect("source-read", _links_to_the_repository)


def _links_to_the_repository(app, page, source):  # type: ignore[no-untyped-def]
    """A page links to files above docs/; on the site the measurements are a page, the others a name."""
    text = re.sub(r"\]\((?:\.\./)+tests/benchmarks/RESULTS\.md", "](/measured.md", source[0])
    source[0] = re.sub(r"\[([^\]\n]+)\]\((?:\.\./)+(?!\w+\.md)[^)]+\)", r"`\1`", text) if "/" not in page else text
