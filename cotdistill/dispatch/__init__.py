"""Between the generate stage and a teacher: the store, the gate, the retry loop."""
