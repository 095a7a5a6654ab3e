"""The parts of the page that `auto` leaves, one file each: Findings in, HTML out."""
