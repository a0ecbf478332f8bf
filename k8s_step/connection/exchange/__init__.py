"""One HTTP exchange with one server: proxies and tunnels, TLS, sockets and their faults."""
