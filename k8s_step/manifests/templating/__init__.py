"""Templates in manifests: ``${NAME}`` and Jinja2, the sources of their values, and what is none."""
