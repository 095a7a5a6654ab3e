"""Whether this machine is fit for a search, and what to do where it is not."""
