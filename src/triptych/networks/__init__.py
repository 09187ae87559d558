"""Function approximators: torsos that read observations, heads that answer."""
