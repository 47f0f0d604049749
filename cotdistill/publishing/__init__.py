"""What others need to use a data set or a student: cards, settings of other trainers and harnesses, the hub."""
