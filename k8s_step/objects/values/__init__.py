"""Values of the API as text and numbers: quantities, times, their order, their shapes. Pure."""
