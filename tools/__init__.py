"""Scripts that `make check` runs."""
