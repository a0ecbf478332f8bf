"""What ``get`` prints of the objects that it reads, a module for each family of ``-o``."""
