"""The command line: builds a config, calls one stage, prints the summary."""
