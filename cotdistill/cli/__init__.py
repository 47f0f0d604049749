"""The command line: builds a config, calls one stage, prints the summary."""

import gc

gc.set_threshold(100_000, 10, 10)
"""New objects before Python looks for garbage among them: its 700 come again and again with imports, which leave none,
and with the first lines of a file. Set here, before the rest is imported."""
