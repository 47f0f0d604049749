"""What a person hands in: prompt files, the hub's data sets, templates."""
