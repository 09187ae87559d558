"""A module that cannot be imported, for the sentence that names the reason."""

import not_there  # noqa: F401
