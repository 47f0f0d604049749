"""Reading a final answer, and comparing two: without an opinion on where they came from."""
