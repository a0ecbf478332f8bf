"""Where the cluster is, who we are there, and one HTTP exchange; ``transport`` alone sends with the HTTP library."""
