"""One object written or read: apply, create, replace, patch, delete, restore, get."""
