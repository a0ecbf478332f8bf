"""Follows written objects until each is current, failed or gone, and gathers the evidence."""
