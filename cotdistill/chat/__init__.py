"""A conversation as a student's tokens, proven on each row."""
