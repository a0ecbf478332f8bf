"""The cluster's address, the step's identity there, and one HTTP exchange; only ``transport`` sends requests."""
