"""What is known of particular kinds: pods, configuration, Secrets, URLs, what another cluster can take. Pure."""
