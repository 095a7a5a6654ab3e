"""The one error that means: the user's input is wrong, not the program."""


class InputError(ValueError):
    """A user's mistake, told in one line that names the value, the place and what is allowed."""
