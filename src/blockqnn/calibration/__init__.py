"""The command `calibrate`: full trainings that judge the brief ones, and the search."""
