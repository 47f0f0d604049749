"""The chain as a file: read, checked, run, recorded."""
