"""What a student is trained to do besides the next token of a row."""
