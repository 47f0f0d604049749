"""Training a student: rows of tokens, batches, the trainer, checkpoints."""
