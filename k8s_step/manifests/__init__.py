"""From text to objects: files, templates, YAML and JSON, images, patches. Nothing here reaches the network."""
