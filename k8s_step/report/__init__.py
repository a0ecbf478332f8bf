"""The only code that writes output: logs, tables and result files, with all secrets masked."""
