"""Students and rows for other programs: trainers, harnesses."""
