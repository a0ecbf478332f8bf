"""kubectl's JSONPath: templates over an object's fields; pure. ``template`` is the entrance."""
