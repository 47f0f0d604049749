"""The documentation as a site: `make docs`. Its pages are the Markdown files beside this one."""

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
