"""Who owns which field of an object: field sets, their managers, and fields that are taken over. Pure."""
