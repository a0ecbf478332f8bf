"""Many objects in one run: plan, preflight, phases, following, rollback, permissions."""
