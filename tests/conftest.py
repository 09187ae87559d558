"""Enforce the shapes in the annotations while the tests run; must precede the first import of the package."""

import sys

from jaxtyping import install_import_hook

assert not any(name == "triptych" or name.startswith("triptych.") for name in sys.modules)
install_import_hook(["triptych.functional", "triptych.networks"], "beartype.beartype")
