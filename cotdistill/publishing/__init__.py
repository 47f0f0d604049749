"""What others need to use a data set or a student: cards, and the hub."""
