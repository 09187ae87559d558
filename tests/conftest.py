"""What holds for all tests.

Shapes in annotations are enforced, which must precede the first import of the package. Tests that train until something
is learned come first, so that no process is alone with one of them in the end. Two costs that each of some
thousand command lines would have again are paid once: looking through the objects of all imported modules for garbage,
and parsing the files of conf/.
"""

import gc
import pickle
import sys

import yaml
from jaxtyping import install_import_hook

assert not any(name == "triptych" or name.startswith("triptych.") for name in sys.modules)
install_import_hook(["triptych.functional", "triptych.networks"], "beartype.beartype")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not any(item.iter_markers("learning")))  # the longest


def pytest_collection_finish(session):
    gc.collect()
    gc.freeze()


def _remembering(load):
    """Let ``yaml.load`` parse a text once, and return what it holds anew each time."""
    parsed = {}

    def remembered(stream, Loader):
        text = stream.read() if hasattr(stream, "read") else stream
        key = (text, Loader.__module__, Loader.__qualname__)
        if key not in parsed:
            if hasattr(stream, "seek"):
                stream.seek(0)  # an error names the file
            parsed[key] = pickle.dumps(load(stream, Loader))
        return pickle.loads(parsed[key])

    return remembered


yaml.load = _remembering(yaml.load)
