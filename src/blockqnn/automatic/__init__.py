"""From images to a finished model within a budget of time: the command `auto`."""
