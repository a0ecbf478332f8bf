"""The wires between a measured process and the server: slow, rationed, or ending at a listener."""
