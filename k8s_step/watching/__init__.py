"""Events of objects, told as they come: each change once, whatever becomes of the watch that brings it."""
