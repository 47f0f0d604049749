"""The embedded teacher: a simulated provider over HTTP, for the demo, for tests and for rehearsals."""
