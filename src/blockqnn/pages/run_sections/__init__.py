"""The parts of a run's page, one file each."""
