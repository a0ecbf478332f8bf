"""What a release no longer holds, by kubectl's ApplySets: the set's parent, its members, and which of them go."""
