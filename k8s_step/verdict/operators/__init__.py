"""What well-known operators write into the status of their kinds, so that these need no rule of the user's."""
