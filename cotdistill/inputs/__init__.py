"""What users bring: prompt files, data sets of the hub, templates."""
