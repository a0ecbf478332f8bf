"""Values, tables and text from elsewhere, laid out as kubectl lays them out and safe to print."""
